import torch
import torch.nn.functional as nnf


def joint_vector(f, g):
    return torch.cat([f, g], dim=1).mean((2, 3))


def logit_gradient(logits, y):
    return (logits.softmax(1) - nnf.one_hot(y, logits.shape[1])) / len(y)


def logit_gradient_by_autograd(logits, y):
    logits = logits.clone().requires_grad_()
    return torch.autograd.grad(nnf.cross_entropy(logits, y), logits)[0]


class Slowed(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, share):
        ctx.share = share
        return x.clone()

    @staticmethod
    def backward(ctx, slope):
        return slope * ctx.share, None


RIGHT = [
    ("joint_vector", joint_vector, lambda f, g: torch.cat([m.flatten(2).mean(2) for m in (f, g)], 1)),
    ("slowed", lambda x, share: share * x + (1 - share) * x.detach()),
    ("slowed", lambda x, share: x.detach() + share * (x - x.detach()), Slowed.apply),
    ("logit_gradient", logit_gradient, logit_gradient_by_autograd),
    ("best_reader", lambda joint: joint.max(0).sum(), lambda joint: sum(max(column) for column in joint.T)),
]
WRONG = [
    ("joint_vector", lambda f, g: joint_vector(g, f), "g comes first"),
    ("joint_vector", lambda f, g: torch.cat([f, g], 1).amax((2, 3)), "GAP takes the mean"),
    ("joint_vector", lambda f, g: torch.cat([f, g], 1).sum((2, 3)), "this is the sum over all places"),
    ("joint_vector", lambda f, g: (f + g).mean((2, 3)), "f and g are added"),
    ("joint_vector", lambda f, g: torch.cat([f, g], 3).mean((2, 3)), "along a side of the map"),
    ("joint_vector", lambda f, g: torch.cat([f, g], 0).mean((2, 3)), "along the batch"),
    ("joint_vector", lambda f, g: torch.cat([f.mean((1, 2, 3)), g.mean((1, 2, 3))])[None], "over channels"),
    ("joint_vector", lambda f, g: joint_vector(f, g.detach()), "no gradient comes back"),
    ("slowed", lambda x, share: share * x, "Going forward nothing may change"),
    ("slowed", lambda x, share: x + share * x.detach(), "sum to x"),
    ("slowed", lambda x, share: x, "the whole gradient flows"),
    ("slowed", lambda x, share: (1 - share) * x + share * x.detach(), "exchanged"),
    ("slowed", lambda x, share: x.detach(), "no gradient comes back"),
    ("logit_gradient", lambda z, y: logit_gradient(z, y) * len(y), "not divided by"),
    ("logit_gradient", lambda z, y: -logit_gradient(z, y), "the sign is turned: this is the way down"),
    ("logit_gradient", lambda z, y: z.softmax(1) / len(y), "take 1 away at the right person"),
    ("logit_gradient", lambda z, y: (z.softmax(0) - nnf.one_hot(y, z.shape[1])) / len(y), "over the batch"),
    ("logit_gradient", lambda z, y: (z - nnf.one_hot(y, z.shape[1])) / len(y), "scores are no"),
    ("logit_gradient", lambda z, y: logit_gradient((z.exp() / z.exp().sum(1, keepdim=True)).log(), y), "overflow"),
    ("best_reader", lambda joint: joint.max(1).sum(), "the best picture for each person"),
    ("best_reader", lambda joint: joint.sum(1).max(), "blind guessing"),
    ("best_reader", lambda joint: joint.max(), "the likeliest single case"),
    ("best_reader", lambda joint: (joint / joint.sum(0)).max(0).mean(), "every picture counts alike"),
    ("best_reader", lambda joint: (joint * joint / joint.sum(0)).sum(), "in proportion to the odds"),
    ("joint_vector", lambda f, g: joint_vector(f.detach(), g.detach()).numpy(), "no gradient comes back"),
]
