"""CAVIAR4REID (Cheng et al., Custom Pictorial Structures for Re-identification, BMVC 2011).

Where it comes from: the page lorisbaz.github.io/caviar4reid.html. The archive holds a folder CAVIARa.

What it is: 1,220 images of 72 people, cut from the clips of the EC project CAVIAR, about 17 x 39 to 72 x 144
pixels: 50 people ten times by each of two cameras, 22 people ten times by one. The paper uses the 50. Low
resolution is real here. Which images are the low-resolution camera's is not written anywhere; the reader measures.

Terms: research, as far as we know.

Consent: none is documented for this set. Show as few people as you can, blur faces in print, and do not try to
learn who anybody is.
"""

import sys

from cadnet_edu.data.prepare import prepare

if __name__ == "__main__":
    sys.exit(prepare("caviar", str(__doc__)))
