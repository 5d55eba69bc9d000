# SPDX-License-Identifier: Apache-2.0
"""The Redfish driver: DMTF's own rack server, served by OpenStack's static server; and a peer of ours for the rest."""

import json
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from bmc_peers import PASSWORD, USER
from instrument_peers import free_port, tcp_peer
from redfish_peer import ROOT, error, redfish_peer

from vkbench import errors
from vkbench.config.model import Bmc, Secret
from vkbench.instruments.bmc_redfish import RedfishBmc
from vkbench.virtual import redfish

TIMEOUT_S = 0.5
SLACK_S = 3.0
MOCKUP = Path(__file__).with_name("redfish_mockup.json")
SECOND_PAGE = {
    "Members": [{"Id": "3", "Created": "2012-03-07T14:43:00Z", "Message": "Earlier than the first page"}]
}


def settings(port, secret, **more):
    table = {"host": "127.0.0.1", "tls": "none", "timeout_s": TIMEOUT_S, "power_timeout_s": 0.5, **more}
    return Bmc(kind="redfish", port=port, user=USER, password=Secret(file=str(secret)), **table)


@contextmanager
def within(seconds):
    begin = time.monotonic()
    yield
    assert time.monotonic() - begin < seconds + SLACK_S


@pytest.fixture(scope="module")
def secret(tmp_path_factory):
    path = tmp_path_factory.mktemp("secret") / "secret"
    path.write_text(PASSWORD + "\n")
    return path


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    redfish.make_certificates(folder)
    return folder


@pytest.fixture
def peer():
    with redfish_peer() as peer:
        yield peer


@pytest.fixture
def bmc(peer, secret):
    with RedfishBmc(settings(peer.port, secret)) as bmc:
        yield bmc


@pytest.fixture(scope="module")
def rack_server(tmp_path_factory, secret, certificates):
    """DMTF's mockup of a rack server behind sushy-tools' static server; its log has a second page, of ours."""
    folder = tmp_path_factory.mktemp("mockup")
    found = json.loads(MOCKUP.read_text())["resources"]
    found["Systems/437XR1138R2/LogServices/Log1/Entries?$skiptoken=2"] = SECOND_PAGE
    for name, resource in found.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "index.json").write_text(json.dumps(resource))
    port = free_port()
    argv = [
        sys.executable,
        "-m",
        "sushy_tools.static.main",
        "-i",
        "127.0.0.1",
        "-p",
        str(port),
        "-m",
        str(folder),
    ]
    argv += ["-c", str(certificates / redfish.CERTIFICATE), "-k", str(certificates / redfish.KEY)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(argv, stdout=log, stderr=log)
    try:
        redfish.wait_ready(port, process)
        with RedfishBmc(settings(port, secret, tls="verify", ca_file=str(certificates / redfish.CA))) as bmc:
            yield bmc
    finally:
        process.terminate()
        process.wait()


# ---- DMTF's rack server ----------------------------------------------------------------------------------------------


def test_dmtf_inventory_and_state(rack_server):
    found = rack_server.inventory()
    assert found["protocol"] == "redfish" and found["firmware"] == "1.45.455b66-rev4"
    assert found["fru"]["product_serial_number"] == "437XR1138R2" and found["bios"].startswith("P79")
    assert rack_server.is_on() and rack_server.boot_device() == "pxe"
    assert rack_server.clock() == 1426198473.0  # 2015-03-13T04:14:33+06:00


def test_dmtf_event_log_is_read_over_its_pages_oldest_first(rack_server):
    entries = rack_server.event_log()
    assert [entry["record_id"] for entry in entries] == ["3", "1", "2"]
    assert (
        entries[1]["timestamp"] == 1331131440.0 and entries[1]["message"] == "Temperature threshold exceeded"
    )
    assert entries[1]["severity"] == "Critical" and entries[1]["log"] == "Log1"


def test_dmtf_sensors(rack_server):
    found = {sensor["name"]: sensor for sensor in rack_server.sensors()}
    assert len(found) > 25
    assert found["CPU #1 Temperature"] == {
        "name": "CPU #1 Temperature",
        "value": 37,
        "unit": "°C",
        "status": "ok",
    }


# ---- power, boot, log, on our peer -----------------------------------------------------------------------------------


def test_power_and_actions(peer, bmc):
    bmc.power_cycle()
    assert bmc.is_on()
    bmc.reset()
    bmc.diagnostic_interrupt()
    bmc.shutdown()
    bmc.power_off()
    kinds = [body["ResetType"] for body in peer.done("POST", "ComputerSystem.Reset")]
    assert kinds == ["On", "ForceRestart", "Nmi", "GracefulShutdown", "ForceOff"]


def test_an_action_that_the_bmc_does_not_name_is_not_tried(peer, bmc):
    bmc.power_on()
    action = peer.system["Actions"]["#ComputerSystem.Reset"]
    action["ResetType@Redfish.AllowableValues"].remove("Nmi")
    with pytest.raises(errors.BmcNotSupported, match="Nmi.*this BMC has On, ForceOff"):
        bmc.diagnostic_interrupt()
    del action["ResetType@Redfish.AllowableValues"]
    action["@Redfish.ActionInfo"] = f"{ROOT}/Info"
    peer.resources[f"{ROOT}/Info"] = {
        "Parameters": [{"Name": "ResetType", "AllowableValues": ["PowerCycle"]}]
    }
    bmc.reset()
    assert peer.done("POST", "ComputerSystem.Reset")[-1] == {"ResetType": "PowerCycle"}
    assert {"ResetType": "Nmi"} not in peer.done("POST", "ComputerSystem.Reset")


def test_with_the_power_off_there_is_no_reset_no_shutdown_and_no_nmi(peer, bmc):
    for action in (bmc.reset, bmc.shutdown, bmc.diagnostic_interrupt):
        with pytest.raises(errors.BmcNotSupported, match="power is off"):
            action()
    assert peer.done("POST", "ComputerSystem.Reset") == []


def test_power_that_does_not_change_is_named(peer, bmc):
    peer.fault = lambda method, path: (204, None, {}) if path.endswith("Reset") else None
    with within(1.0), pytest.raises(errors.BmcTimeout, match="did not go on"):
        bmc.power_on()


def test_the_boot_device(peer, bmc):
    assert bmc.boot_device() == "none"
    bmc.set_boot_device("pxe")
    assert bmc.boot_device() == "pxe" and peer.system["Boot"]["BootSourceOverrideEnabled"] == "Once"
    bmc.set_boot_device("disk", persistent=True)
    assert peer.system["Boot"]["BootSourceOverrideEnabled"] == "Continuous"
    bmc.set_boot_device("none")
    assert bmc.boot_device() == "none"
    peer.system["Boot"]["BootSourceOverrideTarget@Redfish.AllowableValues"] = ["Pxe"]
    with pytest.raises(errors.BmcNotSupported, match="BiosSetup"):
        bmc.set_boot_device("bios")


def test_a_change_that_needs_the_resources_version(peer, bmc):
    wanted = iter([(428, error("Base.1.8.PreconditionRequired", "If-Match"), {}), None])
    peer.fault = lambda method, path: next(wanted, None) if method == "PATCH" else None
    bmc.set_boot_device("pxe")
    assert bmc.boot_device() == "pxe" and len(peer.done("PATCH", "Systems/1")) == 2


def test_the_system_event_log_is_chosen_sorted_and_cleared(peer, bmc):
    entries = bmc.event_log()
    assert [(entry["record_id"], entry["message"]) for entry in entries] == [("1", "first"), ("3", "third")]
    assert entries[0]["timestamp"] == 1714557601.0 and entries[0]["log"] == "SEL"
    bmc.clear_event_log()
    assert [entry["message"] for entry in bmc.event_log()] == ["log cleared"]


def test_the_first_log_with_entries_serves_when_none_is_the_sel(peer, bmc):
    peer.resources[f"{ROOT}/Systems/1/LogServices/SEL"]["Id"] = "Other"
    assert [entry["message"] for entry in bmc.event_log()] == ["somebody logged in"]
    with pytest.raises(errors.BmcNotSupported, match="ClearLog"):
        bmc.clear_event_log()


def test_a_bmc_that_can_sends_a_collection_with_its_members(peer, bmc):
    expand = {"ProtocolFeaturesSupported": {"ExpandQuery": {"NoLinks": True, "Levels": True}}}
    peer.resources[ROOT] |= expand
    bmc._service._root = None
    peer.log.clear()
    assert [entry["message"] for entry in bmc.event_log()] == ["first", "third"]
    assert peer.done("GET", "/LogServices/SEL") == []
    refused = 501, error("Base.1.8.QueryNotSupported", "No."), {}
    peer.fault = lambda method, path: refused if "?" in path else None
    assert [entry["message"] for entry in bmc.event_log()] == ["first", "third"]


def test_pages_that_never_end_are_refused(peer, bmc):
    entries = f"{ROOT}/Systems/1/LogServices/SEL/Entries"
    peer.resources[entries]["Members@odata.nextLink"] = entries
    with pytest.raises(errors.BmcRefused, match="never end"):
        bmc.event_log()


def test_the_watchdog_is_shown_and_stopped_but_has_no_time(peer, bmc):
    state = bmc.watchdog()
    assert state.running and state.action == "reset" and state.initial_s is None
    bmc.stop_watchdog()
    assert not bmc.watchdog().running
    with pytest.raises(errors.BmcNotSupported):
        bmc.start_watchdog(10)
    del peer.system["HostWatchdogTimer"]
    with pytest.raises(errors.BmcNotSupported, match="HostWatchdogTimer"):
        bmc.watchdog()


def test_a_clock_that_was_never_set_is_no_clock(peer, bmc):
    assert bmc.clock() == 1714557600.0
    peer.resources[f"{ROOT}/Managers/1"]["DateTime"] = "1970-01-01T00:10:00+00:00"
    with pytest.raises(errors.BmcNotSupported, match="1970"):
        bmc.clock()


def test_of_two_systems_one_must_be_named(peer, secret):
    peer.resources[f"{ROOT}/Systems"]["Members"].append({"@odata.id": f"{ROOT}/Systems/2"})
    peer.resources[f"{ROOT}/Systems/2"] = {"Id": "2", "Name": "node-b", "PowerState": "On"}
    with pytest.raises(errors.UserError, match="1, 2.*system in"), RedfishBmc(settings(peer.port, secret)):
        pass
    for name in ("2", "node-b"):
        with RedfishBmc(settings(peer.port, secret, system=name)) as bmc:
            assert bmc.is_on()
    with (
        pytest.raises(errors.UserError, match="no system 'x', but 1, 2"),
        RedfishBmc(settings(peer.port, secret, system="x")),
    ):
        pass


# ---- login -----------------------------------------------------------------------------------------------------------


def test_a_session_is_made_once_and_ended(peer, secret):
    with RedfishBmc(settings(peer.port, secret)) as bmc:
        bmc.inventory()
        assert len(peer.sessions) == 1
    assert peer.sessions == {} and len(peer.done("POST", "Sessions")) == 1


def test_an_expired_session_is_survived(peer, bmc):
    bmc.power_on()
    peer.sessions.clear()
    bmc.reset()
    assert peer.done("POST", "ComputerSystem.Reset").count({"ResetType": "ForceRestart"}) == 1
    assert len(peer.done("POST", "Sessions")) == 2


def test_a_service_without_sessions_gets_user_and_password(peer, secret):
    del peer.resources[ROOT]["Links"]
    with RedfishBmc(settings(peer.port, secret)) as bmc:
        assert not bmc.is_on()
    assert peer.done("POST", "Sessions") == []


def test_a_service_that_is_out_of_sessions_gets_user_and_password(peer, secret):
    full = 507, error("Base.1.8.SessionLimitExceeded", "Too many sessions."), {}
    peer.fault = lambda method, path: full if method == "POST" else None
    with RedfishBmc(settings(peer.port, secret)) as bmc:
        assert not bmc.is_on()


@pytest.mark.parametrize("sessions", [True, False])
def test_a_wrong_password_is_named_and_not_shown(peer, tmp_path, sessions):
    wrong = tmp_path / "wrong"
    wrong.write_text("wrong-one\n")
    if not sessions:
        del peer.resources[ROOT]["Links"]
    with within(0), pytest.raises(errors.BmcLoginError) as caught, RedfishBmc(settings(peer.port, wrong)):
        pass
    assert str(wrong) in str(caught.value) and "wrong-one" not in str(caught.value)


# ---- errors ----------------------------------------------------------------------------------------------------------


def test_an_error_says_what_the_bmc_said(peer, bmc):
    said = error("Base.1.8.InternalError", "The fan tray is open.", "Close it.")
    peer.fault = lambda method, path: (500, said, {}) if path.endswith("Reset") else None
    with pytest.raises(errors.BmcRefused, match=r"'power on': HTTP 500 .*The fan tray is open. Close it."):
        bmc.power_on()


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.BmcNotSupported),
        (403, errors.BmcRefused),
        (404, errors.BmcNotSupported),
        (405, errors.BmcNotSupported),
        (409, errors.BmcNotSupported),
        (501, errors.BmcNotSupported),
    ],
)
def test_what_a_status_means(peer, bmc, status, kind):
    said = error("Base.1.8.ActionParameterNotSupported", "No.")
    peer.fault = lambda method, path: (status, said, {}) if path.endswith("Reset") else None
    with pytest.raises(kind, match=f"HTTP {status}"):
        bmc.power_on()


@pytest.mark.parametrize("content", [b"<html>It works!</html>", b"[1, 2]", b"{", b"\xff\xfe"])
def test_an_answer_that_is_no_json_object_is_named(peer, bmc, content):
    peer.fault = lambda method, path: (200, content, {})
    with pytest.raises(errors.BmcRefused, match="no JSON"):
        bmc.is_on()


@pytest.mark.parametrize("answer", [(404, b"<html>no</html>", {}), (200, b"<html>It works!</html>", {})])
def test_some_other_web_server_is_no_bmc(peer, secret, answer):
    peer.fault = lambda method, path: answer
    with (
        pytest.raises(errors.BmcUnreachable, match="no Redfish service"),
        RedfishBmc(settings(peer.port, secret)),
    ):
        pass


def test_a_bmc_that_is_still_starting_is_waited_for(peer, bmc):
    until = time.monotonic() + 0.3
    starting = 503, error("Base.1.8.ServiceTemporarilyUnavailable", "Starting."), {}
    peer.fault = lambda method, path: starting if time.monotonic() < until else None
    assert not bmc.is_on()
    peer.fault = lambda method, path: starting
    with within(TIMEOUT_S), pytest.raises(errors.BmcTimeout, match="Starting"):
        bmc.is_on()


def test_a_redirect_is_followed_on_the_same_host_only(peer, bmc):
    moved = {"target": f"{ROOT}/Systems/1/"}

    def move(method, path):
        return (308, None, {"Location": moved["target"]}) if path.endswith("Systems/1") else None

    peer.fault = move
    assert not bmc.is_on()
    moved["target"] = "https://elsewhere.example/redfish/v1/Systems/1"
    with pytest.raises(errors.BmcRefused, match="elsewhere"):
        bmc.is_on()


def test_a_slow_bmc_is_only_slow_until_timeout_s(peer, bmc):
    peer.delay_s = 0.4 * TIMEOUT_S
    assert not bmc.is_on()
    peer.delay_s = 1.5 * TIMEOUT_S
    with within(3 * TIMEOUT_S), pytest.raises(errors.BmcTimeout, match="timeout_s"):
        bmc.is_on()


def test_an_answer_that_trickles_for_ever_is_ended(secret):
    stop = threading.Event()

    def trickle(link):
        link.recv(4096)
        link.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while not stop.wait(0.05):
            link.sendall(b" ")

    with (
        tcp_peer(trickle) as port,
        within(3 * TIMEOUT_S),
        pytest.raises(errors.BmcTimeout),
        RedfishBmc(settings(port, secret)),
    ):
        pass
    stop.set()


def test_a_broken_line_while_reading_is_made_good(peer, bmc):
    breaks = iter([(0, None, {})])
    peer.fault = lambda method, path: next(breaks, None)
    assert not bmc.is_on()


def test_a_reset_whose_answer_is_lost_is_not_sent_again(peer, bmc):
    bmc.power_on()
    peer.fault = lambda method, path: (0, None, {}) if path.endswith("Reset") else None
    with pytest.raises(errors.InstrumentError, match="not repeated"):
        bmc.diagnostic_interrupt()
    assert peer.done("POST", "ComputerSystem.Reset").count({"ResetType": "Nmi"}) == 1


def test_a_closed_port_is_unreachable_at_once(secret):
    port = free_port()
    with (
        within(0),
        pytest.raises(errors.BmcUnreachable, match=f"{port}.*closed"),
        RedfishBmc(settings(port, secret)),
    ):
        pass


def test_a_host_that_is_not_known_is_named(secret):
    with (
        pytest.raises(errors.BmcUnreachable, match="no-such-host.invalid.*not known"),
        RedfishBmc(settings(443, secret, host="no-such-host.invalid")),
    ):
        pass


@pytest.mark.parametrize("tls", ["none", "trust"])
def test_a_host_that_takes_connections_and_is_dead_is_named_in_time(secret, tls):
    with (
        socket.create_server(("127.0.0.1", 0)) as dead,
        within(3 * TIMEOUT_S),
        pytest.raises(errors.InstrumentError, match="within 0.5 s"),
        RedfishBmc(settings(dead.getsockname()[1], secret, tls=tls)),
    ):
        pass


def test_a_bmc_that_answered_and_is_away_is_gone(secret):
    with redfish_peer() as peer:
        bmc = RedfishBmc(settings(peer.port, secret))
        assert not bmc.is_on()
    with within(TIMEOUT_S), pytest.raises(errors.BmcGone, match="power state"):
        bmc.is_on()
    bmc.__exit__()


# ---- TLS -------------------------------------------------------------------------------------------------------------


def test_a_certificate_is_verified(certificates, secret):
    with redfish_peer(certificates) as peer:
        with RedfishBmc(
            settings(peer.port, secret, tls="verify", ca_file=str(certificates / redfish.CA))
        ) as bmc:
            assert not bmc.is_on()
        with (
            pytest.raises(errors.BmcTlsError, match='ca_file.*tls = "trust"'),
            RedfishBmc(settings(peer.port, secret, tls="verify")),
        ):
            pass
        with RedfishBmc(settings(peer.port, secret, tls="trust")) as bmc:
            assert not bmc.is_on()
        assert all(path == f"{ROOT}/" or method != "POST" for method, path, _ in peer.log[:1])


def test_a_certificate_for_another_host_is_refused_and_the_password_stays_here(tmp_path, secret):
    redfish.make_certificates(tmp_path, "bmc.example", "192.0.2.7")
    with redfish_peer(tmp_path) as peer:
        with (
            pytest.raises(errors.BmcTlsError, match="does not prove"),
            RedfishBmc(settings(peer.port, secret, tls="verify", ca_file=str(tmp_path / redfish.CA))),
        ):
            pass
        assert peer.log == []


def test_plain_http_where_tls_is_expected_and_the_other_way_round(peer, certificates, secret):
    with (
        pytest.raises(errors.BmcTlsError, match='tls = "none"'),
        RedfishBmc(settings(peer.port, secret, tls="trust")),
    ):
        pass
    with (
        redfish_peer(certificates) as other,
        within(TIMEOUT_S),
        pytest.raises(errors.BmcUnreachable, match="tls"),
        RedfishBmc(settings(other.port, secret)),
    ):
        pass


def test_a_ca_file_that_is_none_is_named(tmp_path, secret):
    for name, text in (("missing.pem", None), ("empty.pem", ""), ("no.pem", "hello")):
        if text is not None:
            (tmp_path / name).write_text(text)
        with pytest.raises(errors.BmcTlsError, match=name):
            RedfishBmc(settings(443, secret, tls="verify", ca_file=str(tmp_path / name)))
