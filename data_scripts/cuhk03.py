"""CUHK03 (Li et al., DeepReID, CVPR 2014).

Where it comes from: on request, by a form on the identification page of the Chinese University of Hong Kong. Its
links have not always worked. The archive holds cuhk03_release/cuhk-03.mat; the MD5 of the zip file as published is
728939e58ad9f0ff53e521857dd8fb43.

What it is: 1,467 people, each seen by the two cameras of one of five pairs (843, 440, 77, 58 and 49 people),
cropped twice: by a detector (14,097 images) and by hand. One HDF5 file holds all of it, with 20 test sets of 100
people. The later protocol of 767 and 700 people is another one; its small .mat files are not needed.

Terms: academic use, as far as we know; the form says what you agree to.

Consent: none is documented. Show as few people as you can, blur faces in print, and do not try to learn who anybody
is.
"""

import sys

from cadnet_edu.data.prepare import prepare

if __name__ == "__main__":
    sys.exit(prepare("cuhk03", str(__doc__)))
