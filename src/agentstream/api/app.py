"""The HTTP application: routes and error answers, and no decision of its own."""

from fastapi import FastAPI

import agentstream
from agentstream.api import health
from agentstream.api.doors import Doors
from agentstream.api.errors import add_error_answers
from agentstream.api.representation import AnyCasePaths
from agentstream.api.v1 import active_streams, call_orders, callbacks, live, recordings


def create_app(doors: Doors) -> FastAPI:
    """Return the application; run it with any ASGI server, and close `doors.live` before it."""
    app = FastAPI(
        title="AgentStream",
        version=agentstream.__version__,
        docs_url=None,  # those pages fetch scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.doors = doors
    add_error_answers(app)
    app.add_middleware(AnyCasePaths)
    for module in (health, active_streams, call_orders, callbacks, live, recordings):
        app.include_router(module.router)
    return app
