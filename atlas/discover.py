"""CELLxGENE Discover's REST answers: which file a data set is, and what is said about it.

The interface is described by chanzuckerberg/single-cell-data-portal@007bce0,
``backend/curation/api/curation-api.yml``. Assets have had two shapes; both are read.
"""

import json
import os
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from atlas.web import Patience, SourceFailed, Withdrawn, request, with_retries
from contract.errors import UserError

API = "https://api.cellxgene.cziscience.com/curation/v1"
API_VARIABLE = "SCLITMUS_CELLXGENE_API"
ASSET_DOMAIN = "cellxgene.cziscience.com"
MAX_ANSWER = 32 << 20
MAX_INDEX = 512 << 20
"""The list of all public data sets holds every donor of each."""
FACTS = (
    "title",
    "citation",
    "schema_version",
    "dataset_id",
    "dataset_version_id",
    "collection_id",
    "license",
    "cell_count",
    "x_approximate_distribution",
    "is_primary_data",
    "published_at",
    "revised_at",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Asset:
    """One downloadable h5ad; ``bytes`` where the server says how long it is."""

    url: str
    bytes: int | None


def api_base() -> str:
    """Return the address of the interface: CELLxGENE's own, or a mirror named in the environment."""
    base = os.environ.get(API_VARIABLE) or API
    if urlsplit(base).scheme not in ("http", "https") or not urlsplit(base).hostname:
        raise UserError(
            f"environment variable {API_VARIABLE}", found=repr(base), expected="an http(s) address"
        )
    return base.rstrip("/")


def look_up(source: dict[str, Any], *, base: str, patience: Patience) -> tuple[dict[str, Any], Asset]:
    """Ask for one data set version: the facts stated about it (``None`` where unstated) and its h5ad.

    Without ``dataset_version_id`` the newest version is taken. ``newest_version_id`` says which
    version is the newest now; ``None`` where Discover does not tell.

    Raises
    ------
    SourceFailed
        If it does not exist, was withdrawn, is another one than asked for, or
        the answer has neither of the two known shapes.
    """
    answer, url = describe(source, base=base, patience=patience)
    asset = _asset(answer, base=base, url=url, patience=patience)
    _check_host(asset.url, base)
    history = versions(answer.get("dataset_id"), base=base, patience=patience)
    newest = history[0].get("dataset_version_id") if history else None
    return {**{key: answer.get(key) for key in FACTS}, "newest_version_id": newest}, asset


def describe(source: dict[str, Any], *, base: str, patience: Patience) -> tuple[dict[str, Any], str]:
    """Ask for all that is said about one data set version, and the address that said it."""
    url, newest_of = _address(source, base)
    answer = _get(url, patience=patience)
    if newest_of:
        answer = _listed(answer, url)[0]
    if not isinstance(answer, dict):
        raise SourceFailed(f"{url}: answered {type(answer).__name__}, expected one data set")
    if answer.get("tombstone"):
        raise Withdrawn(f"{url}: withdrawn by its publisher")
    for key in ("dataset_version_id", "dataset_id", "collection_id"):
        if key in source and answer.get(key) != source[key]:
            raise SourceFailed(f"{url}: answered {key} {answer.get(key)!r}, asked for {source[key]!r}")
    return answer, url


def versions(dataset_id: Any, *, base: str, patience: Patience) -> list[dict[str, Any]]:
    """All versions of a data set, newest first; none where Discover does not tell.

    Raises
    ------
    Withdrawn
        If the data set was taken back: then none of its versions may be used.
    """
    if not isinstance(dataset_id, str):
        return []
    url = f"{base}/datasets/{dataset_id}/versions"
    try:
        found = _listed(_get(url, patience=patience), url)
    except Withdrawn:
        raise
    except SourceFailed:
        return []
    if found[0].get("tombstone"):
        raise Withdrawn(f"{url}: withdrawn by its publisher")
    return found


def collection(collection_id: str, *, base: str, patience: Patience) -> dict[str, Any]:
    """Ask for one collection: its name, DOI, publisher's date, data sets."""
    url = f"{base}/collections/{collection_id}"
    answer = _get(url, patience=patience)
    if not isinstance(answer, dict):
        raise SourceFailed(f"{url}: answered {type(answer).__name__}, expected one collection")
    return answer


def public_datasets(*, base: str, patience: Patience) -> list[dict[str, Any]]:
    """Ask for every public data set, with the name and DOI of its collection; some 2,000 of them."""
    url = f"{base}/datasets"
    return _listed(_get(url, patience=patience, most=MAX_INDEX), url)


def _address(source: dict[str, Any], base: str) -> tuple[str, bool]:
    """Return the address to ask, and whether it answers with a list of versions, newest first."""
    if "dataset_version_id" in source:
        return f"{base}/dataset_versions/{source['dataset_version_id']}", False
    if "collection_id" in source:
        return f"{base}/collections/{source['collection_id']}/datasets/{source['dataset_id']}", False
    return f"{base}/datasets/{source['dataset_id']}/versions", True


def _listed(answer: Any, url: str) -> list[dict[str, Any]]:
    """A list of data sets, bare or as ``{"datasets": […]}``: the interface's description has both."""
    found = answer.get("datasets") if isinstance(answer, dict) else answer
    if not isinstance(found, list) or not found or not all(isinstance(one, dict) for one in found):
        raise SourceFailed(f"{url}: expected a list of data sets, found {str(answer)[:60]!r}")
    return found


def _get(url: str, *, patience: Patience, most: int | None = None) -> Any:
    """GET one JSON document of at most ``most`` (``MAX_ANSWER``) bytes."""
    limit = MAX_ANSWER if most is None else most

    def once() -> bytes:
        with request(url, patience=patience) as response:
            body = response.raw.read(limit + 1, decode_content=True)
        if len(body) > limit:
            raise SourceFailed(f"{url}: an answer of more than {limit} bytes")
        return body

    body = with_retries(once, patience=patience)
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise SourceFailed(f"{url}: the answer is not JSON: {body[:60]!r}") from None


def _asset(answer: dict[str, Any], *, base: str, url: str, patience: Patience) -> Asset:
    """Find the one h5ad: ``assets`` with addresses, or ``dataset_assets`` and a second question."""
    if "assets" in answer:
        return _h5ad(answer["assets"], address="url", where=f"{url}: assets")
    if "dataset_assets" in answer:
        ids = answer.get("collection_id"), answer.get("dataset_id")
        if not all(isinstance(i, str) for i in ids):
            raise SourceFailed(f"{url}: dataset_assets without collection_id and dataset_id")
        assets_url = f"{base}/collections/{ids[0]}/datasets/{ids[1]}/assets"
        return _h5ad(_get(assets_url, patience=patience), address="presigned_url", where=assets_url)
    raise SourceFailed(
        f"{url}: neither 'assets' nor 'dataset_assets'; found {', '.join(sorted(answer))[:200]}"
    )


def _h5ad(assets: Any, *, address: str, where: str) -> Asset:
    if not isinstance(assets, list) or not all(isinstance(a, dict) for a in assets):
        raise SourceFailed(f"{where}: expected a list of files, found {str(assets)[:60]!r}")
    found = [a for a in assets if a.get("filetype") == "H5AD"]
    if len(found) != 1:
        raise SourceFailed(f"{where}: expected one H5AD, found {len(found)} among {len(assets)} files")
    url, size = found[0].get(address), found[0].get("filesize")
    if not isinstance(url, str):
        raise SourceFailed(f"{where}: the H5AD has no {address!r}")
    if size is not None and (not isinstance(size, int) or size <= 0):
        raise SourceFailed(f"{where}: found filesize {size!r}, expected a number of bytes")
    return Asset(url=url, bytes=size)


def _check_host(url: str, base: str) -> None:
    """Refuse an address outside CELLxGENE and the mirror, and an unencrypted one unless the mirror is."""
    target, home = urlsplit(url), urlsplit(base)
    host = target.hostname or ""
    known = host in (home.hostname, ASSET_DOMAIN) or host.endswith(f".{ASSET_DOMAIN}")
    if not known or target.scheme not in {"https", home.scheme}:
        raise SourceFailed(
            f"{base}: names a file at {target.scheme}://{target.netloc}, expected https at {ASSET_DOMAIN}"
            f" or {home.scheme} at {home.hostname}"
        )
