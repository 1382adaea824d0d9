"""The methods that both papers speak of, and margins that several claims share."""

from __future__ import annotations

from sembench_leaderboard.entries.selection import method

BLACK_BOX, KMEX, FLINT = (method("blackbox"),), (method("kmex"),), (method("flint"),)
PROTOPNET, PROTOVAE, CNN = (method("protopnet"),), (method("protovae"),), (method("cnn"),)

POINT = "1 percentage point [ours]"
FIVE_POINTS = "5 percentage points, the loss at the centre of the radar of [K]; that the word means this is [ours]"
