"""A stand-in for EC2: moto's server behind a middleware that adds what AWS does and moto lacks.

Run `python -m tests.ec2_server [--port 0]`; it prints `listening on http://127.0.0.1:PORT`.
"""

from __future__ import annotations

import argparse
import io
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Iterable, Mapping
from fnmatch import filter as fnmatch_filter
from types import FrameType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"  # moto reads it when imported

import botocore.session
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server
from werkzeug.test import run_wsgi_app

from tests import ec2_access, ec2_launch, ec2_moto
from tests.ec2_patches import mend_moto
from tests.ec2_prices import price_history_reply
from tests.ec2_query import Ec2Error, Reply, groups, list_param, parse_call, with_groups
from tests.ec2_routes import Control
from tests.ec2_services import SERVICES, error_reply, parse_other_call
from tests.ec2_state import Call, FaultRule, State

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

NO_FAULT = FaultRule(action="*")


class Ec2Middleware:
    """The WSGI application: control requests, EC2 calls, and the rest straight to moto."""

    def __init__(self) -> None:
        self.state = State()
        self.moto_app = DomainDispatcherApplication(create_backend_app)
        # moto's dicts and address generators do not bear two threads in one region.
        self.region_locks: dict[str, threading.Lock] = {}
        session = botocore.session.get_session()
        models = [session.get_service_model(service) for service in SERVICES]
        names = [name for model in models for name in model.operation_names]
        self.control = Control(
            state=self.state, known_actions=lambda glob: bool(fnmatch_filter(names, glob))
        )
        mend_moto(lambda age_s: age_s >= self.state.settings.lag_s)

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        """Answer one HTTP request."""
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        if path.startswith("/_farm/"):
            reply = self.control.answer(method, path, body)
        else:
            call = parse_other_call(environ, body, time.time()) or parse_call(
                environ.get("HTTP_AUTHORIZATION", ""), body, time.time()
            )
            if call is None:
                return self.moto_app(environ, start)  # type: ignore[no-any-return]
            reply = self._record(call, environ)
        headers = [("Content-Type", reply.content_type), ("Content-Length", str(len(reply.body)))]
        start(f"{reply.status} {reply.code or 'OK'}", headers)
        return [reply.body]

    def _record(self, call: Call, environ: WSGIEnvironment) -> Reply:
        with self.state.lock:
            self.state.calls.append(call)
        try:
            reply = self._answer(call, environ)
        except ConnectionResetError:
            call.status = 0
            raise
        except Exception:  # noqa: BLE001  # moto's own failures: say so, go on serving
            traceback.print_exc()
            reply = Ec2Error("InternalError", "see the stand-in's stderr", 500).reply()
        call.status, call.code = reply.status, reply.code
        return reply

    def _answer(self, call: Call, environ: WSGIEnvironment) -> Reply:
        """Answer as throttling and the first fault rule for this call want it."""
        time.sleep(self.state.settings.latency_s)
        of_ec2 = call.service == "ec2"
        if of_ec2 and not self.state.take_request_token(call.region, call.action):
            call.throttled = True
            return Ec2Error("RequestLimitExceeded", "Request limit exceeded.", 503).reply()
        refusal = ec2_access.refuse(call, environ.get("HTTP_AUTHORIZATION", ""))
        if refusal is not None:
            return refusal
        replay = ec2_launch.is_replay(call, self.state)
        derived = ec2_launch.derived_fields(call)
        fault = self.state.take_fault(call, derived, front_door_only=replay) or NO_FAULT
        time.sleep(fault.latency_s)
        if fault.drop == "before":
            drop(environ)
        if fault.code and not fault.drop:
            if not of_ec2:
                return error_reply(call, fault.code, fault.message, fault.http_status())
            return Ec2Error(fault.code, fault.message, fault.http_status()).reply()
        reply = self._do(call, environ)
        time.sleep(fault.hold_s)
        if fault.drop == "after":
            drop(environ)
        if fault.body is not None:
            return Reply(status=200, body=fault.body.encode(), content_type="text/html")
        return reply

    def _do(self, call: Call, environ: WSGIEnvironment) -> Reply:
        def ask_moto(params: Mapping[str, str]) -> Reply:
            return self._ask_moto(environ, params)

        if call.service != "ec2":
            return self._pass_on(environ)
        prices = self.state.seeded_prices(call.region)
        try:
            with self.region_locks.setdefault(call.region, threading.Lock()):
                if call.action == "RunInstances":
                    return ec2_launch.run_instances(call, self.state, ask_moto)
                if call.action == "DescribeImages":
                    return ask_moto(images_params(call))
                if call.action == "DescribeSpotPriceHistory" and prices:
                    return price_history_reply(call.params, prices)
                if call.action == "CreateTags":
                    check_tagged(call)
                return ask_moto(call.params)
        except Ec2Error as err:
            return err.reply()

    def _ask_moto(self, environ: WSGIEnvironment, params: Mapping[str, str]) -> Reply:
        body = urlencode(params).encode()
        return self._pass_on(
            {**environ, "wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        )

    def _pass_on(self, environ: WSGIEnvironment) -> Reply:
        chunks, status, headers = run_wsgi_app(self.moto_app, environ, buffered=True)
        answer = b"".join(chunks)
        code = answer.partition(b"<Code>")[2].partition(b"</Code>")[0].decode() or None
        return Reply(
            status=int(status.split()[0]),
            body=answer,
            code=code if not status.startswith("2") else None,
            content_type=headers.get("Content-Type", "text/xml"),
        )


def images_params(call: Call) -> dict[str, str]:
    """Ask for images by filter: given ids, moto ignores filters and unknown ids.

    Raises Ec2Error for an id that does not exist, as AWS does for any one of them.
    """
    ids = list_param(call.params, "ImageId")
    known = ec2_moto.backend(call.region).amis
    if unknown := [image_id for image_id in ids if image_id not in known]:
        raise Ec2Error("InvalidAMIID.NotFound", f"The image id '[{unknown[0]}]' does not exist")
    if not ids:
        return call.params
    wanted = {"Name": "image-id"} | {f"Value.{n}": each for n, each in enumerate(ids, start=1)}
    params = {key: value for key, value in call.params.items() if not key.startswith("ImageId.")}
    return with_groups(params, "Filter", [*groups(params, "Filter"), wanted])


def check_tagged(call: Call) -> None:
    """Refuse tags for instances that do not exist, which moto would keep."""
    wanted = {each for each in list_param(call.params, "ResourceId") if each.startswith("i-")}
    known = {each.id for each in ec2_moto.backend(call.region).all_instances()}
    if unknown := sorted(wanted - known):
        raise Ec2Error(
            "InvalidInstanceID.NotFound", f"The instance ID '{unknown[0]}' does not exist"
        )


def drop(environ: WSGIEnvironment) -> None:
    """Close the client's connection without an answer, as a dying network would."""
    environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    raise ConnectionResetError("dropped by a fault rule")


class QuietHandler(WSGIRequestHandler):
    """Logs no requests: the stand-in records EC2's itself."""

    def log_request(self, *_args: Any) -> None:
        """Say nothing."""


def main() -> None:
    """Serve until SIGTERM, or until stdin closes if so asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--until-stdin-closes", action="store_true", help="end with the parent")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, _exit)
    server = make_server(
        "127.0.0.1", options.port, Ec2Middleware(), threaded=True, request_handler=QuietHandler
    )
    if options.until_stdin_closes:
        threading.Thread(target=_shut_down_at_eof, args=[server], daemon=True).start()
    sys.stdout.write(f"listening on http://127.0.0.1:{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()


def _shut_down_at_eof(server: BaseWSGIServer) -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    server.shutdown()


def _exit(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    main()
