"""Receipts: the signed evidence of each step of a dossier, how it is issued, kept together and verified."""

from comgov.dossiers.receipts.issuing import Maker, Statement, issue, maker, party

__all__ = ["Maker", "Statement", "issue", "maker", "party"]
