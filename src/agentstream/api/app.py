"""The HTTP application: routes and error answers, and no decision of its own."""

from fastapi import FastAPI

import agentstream
from agentstream.api import health
from agentstream.api.audit import Audited
from agentstream.api.docs_page import add_docs
from agentstream.api.doors import Doors
from agentstream.api.errors import add_error_answers
from agentstream.api.known_keys import KnownKeys
from agentstream.api.openapi import describe
from agentstream.api.rate_limit import RateHeaders
from agentstream.api.representation import AnyCasePaths
from agentstream.api.v1 import (
    accounts,
    active_streams,
    call_orders,
    call_signals,
    callbacks,
    calls,
    connect,
    exophones,
    live,
    recordings,
    trunk_watch,
)
from agentstream.api.v2 import (
    bridges,
    leg_actions,
    leg_socket,
    legs,
    trunk_acl,
    trunk_credentials,
    trunk_destinations,
    trunk_numbers,
    trunk_settings,
    trunk_status,
    trunks,
)
from agentstream.api.v3 import calls as v3_calls
from agentstream.base.ids import RandomTokens

# With their headings in the document. In this order: `calls/connect` is no call's sid.
_MODULES = (
    (connect, "Calls"),
    (calls, "Calls"),
    (call_orders, "Calls"),
    (call_signals, "Calls"),
    (active_streams, "Calls"),
    (live, "Calls"),
    (callbacks, "Status callbacks"),
    (recordings, "Recordings"),
    (legs, "Legs"),
    (leg_actions, "Legs"),
    (leg_socket, "Legs"),
    (bridges, "Bridges"),
    (trunks, "Trunks"),
    (trunk_numbers, "Trunks"),
    (trunk_acl, "Trunks"),
    (trunk_credentials, "Trunks"),
    (trunk_destinations, "Trunks"),
    (trunk_settings, "Trunks"),
    (trunk_status, "Trunks"),
    (trunk_watch, "Trunks"),
    (accounts, "Account and numbers"),
    (exophones, "Account and numbers"),
    (v3_calls, "Calls, version 3"),
    (health, "The server"),
)


def create_app(doors: Doors) -> FastAPI:
    """Return the application; run it with any ASGI server, and close `doors.live` before it."""
    app = FastAPI(
        title="AgentStream",
        version=agentstream.__version__,
        docs_url=None,  # its own page fetches scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.doors = doors
    app.state.known_keys = KnownKeys(doors.accounts, doors.clock)
    add_error_answers(app)
    app.add_middleware(AnyCasePaths)
    app.add_middleware(RateHeaders)
    if doors.audit is not None:
        app.add_middleware(Audited, write=doors.audit, clock=doors.clock, tokens=RandomTokens())
    for module, heading in _MODULES:
        app.include_router(module.router, tags=[heading])
    add_docs(app)
    app.openapi = lambda: describe(app)  # type: ignore[method-assign]  # as FastAPI documents it
    return app
