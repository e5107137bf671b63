"""Object identifiers, each with the document that assigns it."""

from __future__ import annotations

from cryptography.x509 import ObjectIdentifier

# RFC 5652 §4, §5, §11
DATA = ObjectIdentifier("1.2.840.113549.1.7.1")
SIGNED_DATA = ObjectIdentifier("1.2.840.113549.1.7.2")
CONTENT_TYPE = ObjectIdentifier("1.2.840.113549.1.9.3")
MESSAGE_DIGEST = ObjectIdentifier("1.2.840.113549.1.9.4")
SIGNING_TIME = ObjectIdentifier("1.2.840.113549.1.9.5")

# RFC 5754 §2.2 and §3.3
SHA256 = ObjectIdentifier("2.16.840.1.101.3.4.2.1")
SHA384 = ObjectIdentifier("2.16.840.1.101.3.4.2.2")
SHA512 = ObjectIdentifier("2.16.840.1.101.3.4.2.3")
ECDSA_WITH_SHA256 = ObjectIdentifier("1.2.840.10045.4.3.2")

# RFC 5035 §3, ETSI EN 319 122-1 §5.2.2.3
SIGNING_CERTIFICATE_V2 = ObjectIdentifier("1.2.840.113549.1.9.16.2.47")
# ETSI EN 319 122-1 §5.2.3 (commitment-type-indication) and §5.3 (signature-time-stamp)
COMMITMENT_TYPE = ObjectIdentifier("1.2.840.113549.1.9.16.2.16")
SIGNATURE_TIME_STAMP = ObjectIdentifier("1.2.840.113549.1.9.16.2.14")

# RFC 3161 §2.4.2
TST_INFO = ObjectIdentifier("1.2.840.113549.1.9.16.1.4")

# RFC 9336 §3.1: documents, as against servers or code
DOCUMENT_SIGNING = ObjectIdentifier("1.3.6.1.5.5.7.3.36")
# ETSI EN 319 412-1 §5.1.4, as X.520 assigns it
ORGANIZATION_IDENTIFIER = ObjectIdentifier("2.5.4.97")
# ETSI EN 319 421 §5.2: the best-practices time-stamp policy
BEST_PRACTICES_TIME_STAMP_POLICY = ObjectIdentifier("0.4.0.2023.1.1")
