"""What one does with a dossier: drafts → sealing → delivering, or by_hand → registering; and reading all along."""

from comgov.dossiers.actions import by_hand, delivering, drafts, reading, registering, sealing

__all__ = ["by_hand", "delivering", "drafts", "reading", "registering", "sealing"]
