"""The bodies of XML-RPC: what is sent, and what is refused before and while it is parsed."""

import datetime
import xmlrpc.client
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farmhand.errors import BadInput
from scanner.transport.errors import DaemonFault, ProtocolError
from scanner.transport.xmlrpc import decode_reply, encode_call

TEXT = st.text("aZ0 \t\nä€<>&;\"']]=\U0001f600\ufffd", max_size=9)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**31), 2**31 - 1) | TEXT | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=10,
)


def reply(xml: str) -> bytes:
    text = f"<methodResponse><params><param><value>{xml}</value></param></params></methodResponse>"
    return text.encode()


@given(VALUES)
def test_what_a_daemon_returns_is_what_we_get(value: object) -> None:
    body = xmlrpc.client.dumps((value,), methodresponse=True, allow_none=True)  # type: ignore[arg-type]
    assert decode_reply(body.encode()) == value


@given(st.lists(VALUES, max_size=4))
def test_what_we_send_is_what_a_daemon_gets(params: Sequence[object]) -> None:
    found = xmlrpc.client.loads(encode_call("build", params), use_builtin_types=True)
    assert found == (tuple(params), "build")


@pytest.mark.parametrize(
    ("xml", "value"),
    [
        ("", ""),
        ("text", "text"),
        ("<i4> -7 </i4>", -7),
        ("<i8>9223372036854775807</i8>", 2**63 - 1),
        ("<double>-1.5</double>", -1.5),
        ("<nil/>", None),
        (
            "<dateTime.iso8601>20051010T08:00:00</dateTime.iso8601>",
            datetime.datetime(2005, 10, 10, 8),  # noqa: DTZ001 - XML-RPC's times have no zone
        ),
    ],
)
def test_a_value_is_read(xml: str, value: object) -> None:
    assert decode_reply(reply(xml)) == value


def test_a_fault_has_its_code_and_not_the_daemons_words() -> None:
    fault = xmlrpc.client.dumps(xmlrpc.client.Fault(8002, "the password is hunter2"))
    with pytest.raises(DaemonFault) as raised:
        decode_reply(fault.encode())
    assert (raised.value.code, str(raised.value)) == (8002, "fault 8002")


@pytest.mark.parametrize("code", ["8002", True, None, 1.5, [], {}], ids=str)
def test_a_faults_code_is_a_number(code: object) -> None:
    body = xmlrpc.client.dumps(({"faultCode": code, "faultString": ""},), allow_none=True)
    body = body.replace("params>", "fault>").replace("<param>", "").replace("</param>", "")
    with pytest.raises(ProtocolError, match="code is no number"):
        decode_reply(f"<methodResponse>{body}</methodResponse>".encode())


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"<!DOCTYPE r [<!ENTITY e 'x'>]><methodResponse>&e;</methodResponse>", "DOCTYPE"),
        (reply("<![CDATA[x]]>"), "another declaration"),
        (reply("<string>x</string>").decode().encode("utf-16"), "no UTF-8"),
        (reply("<string>x</string>").decode().encode("utf-32"), "no UTF-8"),
        (reply("<array><data>" + "<value/>" * 200_000 + "</data></array>"), "more than 200000"),
        (reply("&amp;" * 200_000), "more than 200000"),
        (reply("\n" * 200_000), "more than 200000"),
        (b"", "no XML-RPC"),
        (b"<html/>", "no XML-RPC"),
        (reply("<int>" + "1" * 20 + "</int>"), "no XML-RPC .ValueError"),
        (reply("<int>1_000</int>"), "no XML-RPC .ValueError"),
        (reply("<double>nan</double>"), "no XML-RPC .ValueError"),
        (reply("<bigdecimal>1e99999999</bigdecimal>"), "no XML-RPC .ValueError"),
        (reply("<evil>x</evil>"), "no XML-RPC .ResponseError"),
        (reply("<struct><value>x</value></struct>"), "no XML-RPC .IndexError"),
        (b"<methodCall><methodName>x</methodName></methodCall>", "does not return one value"),
        (b"<methodResponse><params></params></methodResponse>", "does not return one value"),
    ],
    ids=range(17),
)
def test_a_bad_reply_is_refused(body: bytes, message: str) -> None:
    with pytest.raises(ProtocolError, match=message):
        decode_reply(body)


def test_as_many_files_as_may_be_are_parsed() -> None:
    files = {f"{'x' * 250}{number:05}": "0" * 40 for number in range(10_000)}
    status = {"builder_status": "BuilderStatus.WAITING", "filemap": files}
    body = xmlrpc.client.dumps((status,), methodresponse=True).encode()
    assert len(body) <= 4 * 1024**2
    assert decode_reply(body) == status


@pytest.mark.parametrize("secret", ["pass\x00word", "pass\x1bword", 2**31, object()], ids=range(4))
def test_what_can_t_be_sent_is_refused_and_not_repeated(secret: object) -> None:
    with pytest.raises(BadInput, match="build: a parameter") as refused:
        encode_call("build", ("1-1", {"secret": secret}))
    assert "pass" not in str(refused.value)
