"""Which files hold secrets, by name or by how they begin: they are not read unless the user names one.

Not for: personal data in text (nothing here looks for it), which files are written (``protection``).
"""

from __future__ import annotations

import re

_NAMES = re.compile(
    r"""(?ix)
    \.env(rc)? | \.env\.(?!(example|sample|template|dist|defaults?|schema)$).+ | .+\.env
    | .+\.(pem|key|p8|p12|pfx|jks|keystore|kdbx?|ovpn|ppk|asc|gpg|pgp|age|der|tfvars|tfstate|mobileprovision|agekey)
    | .+\.(tfstate\.backup|tfvars\.json|publishsettings)
    | (id|ssh_host)_(rsa|dsa|ecdsa|ed25519)(_sk|_key)?
    | \.?netrc | _netrc | \.npmrc | \.yarnrc\.yml | \.pypirc | \.pgpass | \.my\.cnf | \.git-credentials | \.htpasswd
    | \.vault-token | \.vault_pass(word)? | \.s3cfg | \.boto | \.dockercfg | \.databrickscfg | \.terraformrc
    | \.(bash|zsh|python|psql|mysql|node_repl|sqlite)_history
    | credentials(\.(json|ya?ml|toml|ini|xml|txt|csv))? | client_secrets?.*\.json | service[-_]?account.*\.json
    | \.?secrets?(\.[\w-]+)?\.(json|ya?ml|toml|ini|env|txt|properties) | \.?secrets?
    | (master|production|staging|development|test)\.key | google-services\.json | kubeconfig | wp-config\.php
    | passwords?(\.(txt|csv|json|ya?ml))? | login\.keychain(-db)? | (auth|token)\.json | gha-creds-.*\.json
    """
)
_FOLDERS = re.compile(
    r"(?i)(^|/)(\.ssh|\.gnupg|\.aws|\.azure|\.gcloud|\.kube|\.docker|\.password-store|\.chef|\.config/gh|\.config/gcloud)/"
)
_BEGINNINGS = (
    re.compile(rb"-----BEGIN [A-Z0-9 ]*PRIVATE KEY( BLOCK)?-----"),
    re.compile(rb"\$ANSIBLE_VAULT;"),
    re.compile(rb"PuTTY-User-Key-File-"),
    re.compile(rb"age-encryption\.org/v1|AGE-SECRET-KEY-"),
    re.compile(rb"\"private_key\"\s*:\s*\"-----BEGIN"),
)


def secret_name(path: str) -> bool:
    """Whether a path is that of a file that usually holds keys or passwords."""
    return bool(_NAMES.fullmatch(path.rpartition("/")[2]) or _FOLDERS.search(path))


def secret_beginning(data: bytes) -> bool:
    """Whether the first bytes of a file hold a private key or the like."""
    return any(beginning.search(data) for beginning in _BEGINNINGS)
