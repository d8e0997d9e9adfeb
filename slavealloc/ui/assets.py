"""Style and scripts, read once; a URL holds its file's digest, so that browsers may keep it."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

STATIC = Path(__file__).parent / "static"
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
FOR_EVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, kw_only=True, slots=True)
class Asset:
    """One file."""

    body: bytes
    digest: str
    type: str


def read_assets() -> dict[str, Asset]:
    """Read every file below static/, by name."""
    return {
        path.name: Asset(
            body=body, digest=hashlib.sha256(body).hexdigest()[:12], type=TYPES[path.suffix]
        )
        for path in sorted(STATIC.iterdir())
        for body in (path.read_bytes(),)
    }


@dataclass(frozen=True, kw_only=True, slots=True)
class Assets:
    """All files, and how they are served."""

    files: dict[str, Asset]

    def url(self, name: str) -> str:
        """Say where a file is."""
        return f"/ui/static/{self.files[name].digest}/{name}"

    async def serve(self, request: Request) -> Response:
        """GET /ui/static/DIGEST/NAME; another release's digest gets what there is, for once."""
        asset = self.files.get(request.path_params["name"])
        if asset is None:
            raise HTTPException(404, "there is no such file")
        same = request.path_params["digest"] == asset.digest
        kept = FOR_EVER if same else "no-cache"
        return Response(asset.body, headers={"cache-control": kept, "content-type": asset.type})
