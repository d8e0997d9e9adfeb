"""The handlers that change something: rows edited, added and deleted, and jacuzzis."""

from dataclasses import dataclass

from sqlalchemy.engine import Connection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from farmhand.db import FarmDb
from slavealloc.doors.bodies import read_body
from slavealloc.doors.gate import require_caller
from slavealloc.queries import read_template_names
from slavealloc.replies import answer_json
from slavealloc.rest import edits, jacuzzis
from slavealloc.rest.asking import (
    answer_added,
    answer_row,
    find_author,
    find_condition,
    find_row,
    find_table,
    transact,
)
from slavealloc.rest.forms import Deletion, JacuzziEdit, ManyEdits
from slavealloc.rest.queries import Row
from slavealloc.rest.resources import check_add, check_edit, check_form, parse_object
from slavealloc.rest.versions import Version

# Whose rows may be changed many at a time.
MANY = ("slaves", "masters")


@dataclass(frozen=True, kw_only=True, slots=True)
class Changes:
    """The handlers; each runs its one transaction in a thread.

    `default_template` is the name that the configuration has, and that no edit may take away.
    """

    database: FarmDb
    default_template: str

    async def edit_row(self, request: Request) -> Response:
        """PUT /api/TABLE/ID: change the fields that the body names."""
        require_caller(request)
        table = find_table(request)
        row = find_row(request, table)
        sent = parse_object(await read_body(request))
        why = sent.pop("why", None)
        edit = edits.Edit(row=row, values=check_edit(table, sent), etag=find_condition(request))
        author = find_author(request, why)

        def change(connection: Connection) -> Version:
            version = edits.edit_row(connection, author, table, edit)
            self._keep_default(connection, table)
            return version

        version = await transact(self.database, change)
        answer = answer_json({"success": True})
        answer.headers["etag"] = answer_row(request, version).headers["etag"]
        return answer

    async def edit_rows(self, request: Request) -> Response:
        """PATCH /api/TABLE: change the same fields of many rows, of all or of none."""
        require_caller(request)
        table = find_table(request)
        if table not in MANY:
            allowed = {"allow": "GET, HEAD, POST"}
            raise HTTPException(405, f"{table} are changed one at a time", allowed)
        sent = check_form(ManyEdits, parse_object(await read_body(request)))
        author, values = find_author(request, sent.get("why")), check_edit(table, sent["set"])
        wanted = [edits.Edit(row=Row(key=name), values=values) for name in sent["names"]]
        versions = await transact(
            self.database, lambda c: edits.edit_rows(c, author, table, wanted)
        )
        return answer_json({"success": True, "rows": len(versions)})

    async def add_row(self, request: Request) -> Response:
        """POST /api/TABLE: add a row."""
        require_caller(request)
        table = find_table(request)
        sent = parse_object(await read_body(request))
        author = find_author(request, sent.pop("why", None))
        values = check_add(table, sent)
        version = await transact(self.database, lambda c: edits.add_row(c, author, table, values))
        return answer_added(request, version)

    async def delete_row(self, request: Request) -> Response:
        """DELETE /api/TABLE/ID: delete a row that nothing refers to."""
        author = find_author(request, request.query_params.get("why"))
        table = find_table(request)
        row, etag = find_row(request, table, Deletion), find_condition(request)

        def change(connection: Connection) -> None:
            edits.delete_row(connection, author, table, row, etag)
            self._keep_default(connection, table)

        await transact(self.database, change)
        return Response(status_code=204)

    def _keep_default(self, connection: Connection, table: str) -> None:
        """Refuse what would leave most workers without a tac, and the server without a start."""
        if table != "tac_templates":
            return
        if self.default_template not in read_template_names(connection):
            raise edits.InUse(
                f"{self.default_template} is still used by the configuration, as"
                " slavealloc.default_template: the template of workers that have none of their own"
            )

    async def set_jacuzzi(self, request: Request) -> Response:
        """PUT /api/jacuzzis/BUILDER: confine a builder to these workers and no others."""
        require_caller(request)
        sent = check_form(JacuzziEdit, parse_object(await read_body(request)))
        author, builder = find_author(request, sent.get("why")), request.path_params["builder"]
        machines, etag = sent["machines"], find_condition(request)
        version = await transact(
            self.database, lambda c: jacuzzis.set_jacuzzi(c, author, builder, machines, etag)
        )
        return answer_row(request, version)

    async def delete_jacuzzi(self, request: Request) -> Response:
        """DELETE /api/jacuzzis/BUILDER: let any worker run a builder's jobs again."""
        author = find_author(request, request.query_params.get("why"))
        builder, etag = request.path_params["builder"], find_condition(request)
        await transact(self.database, lambda c: jacuzzis.set_jacuzzi(c, author, builder, [], etag))
        return Response(status_code=204)
