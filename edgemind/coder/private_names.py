"""Which files hold secrets, by name or by how they begin: they are not read unless the user names one.

Not for: personal data in text (nothing here looks for it), which files are written (``protection``).
"""

from __future__ import annotations

import re

_NAMES = re.compile(
    r"""(?ix)
    \.env(rc)? | \.env\.(?!(example|sample|template|dist|defaults?|schema)$).+ | .+\.env
    | .+\.(pem|key|p8|p12|pfx|jks|keystore|kdbx?|ovpn|ppk|gpg|pgp|age|der|tfvars|tfstate|mobileprovision|agekey)
    | .+\.(tfstate\.backup|tfvars\.json|publishsettings)
    | (id|ssh_host)_(rsa|dsa|ecdsa|ed25519)(_sk|_key)?
    | \.?netrc | _netrc | \.npmrc | \.yarnrc\.yml | \.pypirc | \.pgpass | \.my\.cnf | \.git-credentials | \.htpasswd
    | \.vault-token | \.vault_pass(word)? | \.s3cfg | \.boto | \.dockercfg | \.databrickscfg | \.terraformrc
    | \.(bash|zsh|python|psql|mysql|node_repl|sqlite)_history | rclone\.conf | local\.settings\.json
    | credentials(\.(json|ya?ml|toml|ini|xml|txt|csv))? | client_secrets?.*\.json | service[-_]?account.*\.json
    | \.?secrets?(\.[\w-]+)?\.(json|ya?ml|toml|ini|env|txt|properties) | \.?secrets? | .*firebase-adminsdk.*\.json
    | google-services\.json | kubeconfig | wp-config\.php | passwords?(\.(txt|csv))? | login\.keychain(-db)?
    | token\.json | gha-creds-.*\.json
    """
)
_PLACES = re.compile(
    r"(?i)(^|/)(\.ssh|\.gnupg|\.password-store|\.gcloud|\.config/(gh|gcloud))/"
    r"|(^|/)(\.aws/config|\.kube/config|\.docker/config\.json|\.azure/\w*tokens?\w*\.\w+)$|^auth\.json$"
)
"""Where the folder counts too: projects keep a ``.docker/Dockerfile``, and translations of a page in ``auth.json``."""
_PRIVATE_KEY = re.compile(rb"-----BEGIN [A-Z0-9 ]*PRIVATE KEY( BLOCK)?-----")
_KEY_LINE = re.compile(rb"[A-Za-z0-9+/]{40}")
_HEADERS = 600
"""Bytes after that line in which the key itself begins; source code that only names the line has none there."""
_OTHERS = re.compile(
    rb"\A\s*(PuTTY-User-Key-File-|\$ANSIBLE_VAULT;|age-encryption\.org/v1)|AGE-SECRET-KEY-1[A-Z0-9]{50}"
)


def secret_name(path: str) -> bool:
    """Whether a path is that of a file that usually holds keys or passwords."""
    return bool(_NAMES.fullmatch(path.rpartition("/")[2]) or _PLACES.search(path))


def secret_beginning(data: bytes) -> bool:
    """Whether the first bytes of a file hold a private key or the like."""
    keys = _PRIVATE_KEY.finditer(data)
    return any(_KEY_LINE.search(data, key.end(), key.end() + _HEADERS) for key in keys) or bool(_OTHERS.search(data))
