"""Under which terms may data be used? An explicit flag says whether a licence is free."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Licence:
    """A licence of images.

    Free (``open``) is what anyone may use, change and share for any purpose, as the Open Definition has it: public
    domain, attribution and share-alike do not stand in the way of that. "Non-commercial" and "research only" do, and so
    does a publisher who states nothing, since then nothing is permitted beyond what the law permits.

    Attributes:
        name: Short name as printed on the board.
        open: Whether it is free.
    """

    name: str
    open: bool


CC0 = Licence("CC0 1.0", open=True)
CC_BY_4 = Licence("CC BY 4.0", open=True)
CC_BY_SA_3 = Licence("CC BY-SA 3.0", open=True)
MIT = Licence("MIT", open=True)
NONE_STATED = Licence("none stated", open=False)
NON_COMMERCIAL = Licence("non-commercial research only", open=False)
RESEARCH_ONLY = Licence("research and education only", open=False)
