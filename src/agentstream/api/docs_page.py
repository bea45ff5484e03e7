"""GET /docs: the interface to read and to try, with scripts of our own and of no other host."""

from fastapi import APIRouter, FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

from agentstream.api.asyncapi import doors as asyncapi

router = APIRouter(include_in_schema=False)
_FILES = "/docs/files"


@router.get("/docs")
async def docs() -> HTMLResponse:
    """Show /openapi.json."""
    return get_swagger_ui_html(
        openapi_url="/openapi.json",
        title="AgentStream",
        swagger_js_url=f"{_FILES}/swagger-ui-bundle.js",
        swagger_css_url=f"{_FILES}/swagger-ui.css",
        swagger_favicon_url=f"{_FILES}/favicon.png",
    )


def add_docs(app: FastAPI) -> None:
    """Serve the page, and its scripts out of their package."""
    app.include_router(router)
    app.include_router(asyncapi.router)
    app.mount(_FILES, StaticFiles(packages=[("fastapi_offline", "static")]), name="docs files")
