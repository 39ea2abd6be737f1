"""DukeMTMC-reID (Ristani et al., 2016; Zheng et al., 2017): WITHDRAWN.

Where it comes from: nowhere any more. Duke University took it offline on 25 April 2019. Its review board had
approved filming indoors and giving the data out on request; what was done deviated from that significantly, and
companies and laboratories that build surveillance used it. This project does not link to copies, fetches none, and
asks you not to pass any on. The paper's numbers on it are shown in the book as history.

What it was: 16,522 images of 702 people to train on, 2,228 queries of 702 others, and 17,661 gallery images, in
which 408 more people were seen by one camera each; eight cameras. The three folders of Market-1501.

Terms: CC BY-NC-SA 4.0 in its time. Its licence asks that its makers are told before derived data is published, and
that derived sets keep DukeMTMC in their title.

Consent: none is documented. The same can be learnt in other ways: from the embedded Walkers, from rendered people,
or from photos of people who agreed (cadnet-edu data check own).

If you hold a copy lawfully and your own review board agrees, this script checks it with --allow-withdrawn.
"""

import sys

from cadnet_edu.data.prepare import prepare

if __name__ == "__main__":
    sys.exit(prepare("dukemtmc_reid", str(__doc__)))
