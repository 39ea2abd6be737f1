"""The ledger of the paper's claims: each sentence, the experiment that tests it, our numbers, and a verdict.

The rules of the verdicts stand in the code, beside the sentences, and were written before any number was seen.
"""

from cadnet_edu.lab.claims.page import page
from cadnet_edu.lab.claims.paper import CLAIMS
from cadnet_edu.lab.claims.rules import VERDICTS, Claim, Comparison, Evidence, ledger

__all__ = ["CLAIMS", "VERDICTS", "Claim", "Comparison", "Evidence", "ledger", "page"]
