"""VIPeR (Gray, Brennan and Tao, Evaluating Appearance Models for Recognition, Reacquisition and Tracking, PETS
2007).

Where it comes from: a public page of the University of California, Santa Cruz. The archive is VIPeR.v1.0.zip; its
MD5 as published is 1c2d9fc1cc800332567a0da25a1ce68c.

What it is: 632 people, each seen once by camera A and once by camera B, 128 x 48 pixels: cam_a/*.bmp and
cam_b/*.bmp, of which the number in front is the person. It is cut into random halves of 316; published numbers are
means over several.

Terms: no licence text was found.

Consent: none is documented. Show as few people as you can, blur faces in print, and do not try to learn who anybody
is.
"""

import sys

from cadnet_edu.data.prepare import prepare

if __name__ == "__main__":
    sys.exit(prepare("viper", str(__doc__)))
