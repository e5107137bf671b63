"""Signatures, time-stamps, certificates and sealed containers as pure formats: no database, no network, no clock.

`certificates` issues, `cades` signs and verifies, `tsp` stamps, `container` and `manifest` are the two halves of an
ASiC-E file, `asice` verifies a whole one and says why. See README.md for the journey of a dossier.
"""
