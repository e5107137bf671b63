"""What one does with dossiers, by what one wants: drafts · sealing · relay · arrivals · presenting · reading."""

from comgov.dossiers.actions import arrivals, drafts, presenting, reading, relay, sealing

__all__ = ["arrivals", "drafts", "presenting", "reading", "relay", "sealing"]
