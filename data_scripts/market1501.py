"""Market-1501 (Zheng et al., Scalable Person Re-identification: A Benchmark, ICCV 2015).

Where it comes from: the project page at the Australian National University, zheng-lab.cecs.anu.edu.au. The archive
holds one folder, Market-1501-v15.09.15.

What it is: boxes of 1,501 people, 128 x 64 pixels, from six cameras. bounding_box_train: 12,936 images of 751
people. query: 3,368 images of 750 others. bounding_box_test: 19,732 images, of which 15,913 count; the rest is junk
(-1). People called 0000 are distractors.

Terms: the page asks to cite the paper. A licence text is not known to us: ask before you use it for more than
research.

Consent: none is documented. Show as few people as you can, blur faces in print, and do not try to learn who anybody
is.
"""

import sys

from cadnet_edu.data.prepare import prepare

if __name__ == "__main__":
    sys.exit(prepare("market1501", str(__doc__)))
