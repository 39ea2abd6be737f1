"""The table of the paper's claims: each sentence, the experiment that tests it, our numbers, and a verdict."""

from cadnet_edu.lab.claims.page import page
from cadnet_edu.lab.claims.paper import CLAIMS
from cadnet_edu.lab.claims.rules import VERDICTS, Claim, Comparison, Evidence, claims_table

__all__ = ["CLAIMS", "VERDICTS", "Claim", "Comparison", "Evidence", "claims_table", "page"]
