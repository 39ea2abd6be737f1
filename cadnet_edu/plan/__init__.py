"""What a run will need, before it is started: memory, operations and time, for a GPU that need not be here."""

from cadnet_edu.plan.estimate import Change, Plan, plan
from cadnet_edu.plan.gpus import GPUS, Gpu
from cadnet_edu.plan.rehearsal import Memory, rehearse

__all__ = ["GPUS", "Change", "Gpu", "Memory", "Plan", "plan", "rehearse"]
