"""Is it alive, is it ready, and the figures: for load balancers and Prometheus, no credentials."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse

import agentstream
from agentstream.api.auth import doors

router = APIRouter()


@router.head("/health", include_in_schema=False)
@router.get("/health")
async def health() -> dict[str, str]:
    """200 as long as the process can answer."""
    return {"status": "ok", "version": agentstream.__version__}


@router.head("/ready", include_in_schema=False)
@router.get("/ready")
async def ready(request: Request) -> JSONResponse:
    """200 while new calls are taken, else 503 and why."""
    why_not = doors(request).why_not_ready()
    if why_not:
        return JSONResponse({"status": "not ready", "reason": why_not}, 503)
    return JSONResponse({"status": "ready"})


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(request: Request) -> Response:
    """Every counter, in Prometheus' text form."""
    return Response(doors(request).metrics(), media_type="text/plain; version=0.0.4; charset=utf-8")
