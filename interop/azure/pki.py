"""Certificates of devices, made with the command `openssl`."""

import dataclasses
import hashlib
import ssl
import subprocess


@dataclasses.dataclass
class Made:
    cert: str
    key: str
    thumbprint: str


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def certificate(folder, name, extensions, issuer=None, chain=()):
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    signed = ["-CA", str(folder / f"{issuer}.pem"), "-CAkey", str(folder / f"{issuer}.key")] if issuer else []
    added = [word for extension in extensions for word in ("-addext", extension)]
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"]
    named = ["-subj", f"/CN={name}", "-days", "2", "-keyout", str(key), "-out", str(cert)]
    openssl("req", "-x509", *curve, *named, *signed, *added)
    der = ssl.PEM_cert_to_DER_cert(cert.read_text())
    # The chain goes behind the leaf, as the SDKs want it.
    text = cert.read_text() + "".join((folder / f"{one}.pem").read_text() for one in chain)
    cert.write_text(text)
    return Made(str(cert), str(key), hashlib.sha256(der).hexdigest().upper())


CA = ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign"]
LEAF = ["basicConstraints=critical,CA:FALSE", "extendedKeyUsage=clientAuth"]


def self_signed(folder, name):
    return certificate(folder, name, LEAF)


def issued(folder, name):
    """Of the CA that the hubs trust."""
    return certificate(folder, name, LEAF, "device-ca")


def issued_in_group(folder, name):
    """Of an intermediate below the CA of an enrolment group, which the device sends along."""
    return certificate(folder, name, LEAF, "group-intermediate", ["group-intermediate"])


def make(folder, registrants):
    """The CAs, and the certificates that are enrolled from the start."""
    folder.mkdir()
    certificate(folder, "device-ca", CA)
    certificate(folder, "group-ca", CA)
    certificate(folder, "group-intermediate", CA, "group-ca")
    for name in registrants:
        self_signed(folder, name)
