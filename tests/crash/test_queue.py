"""More Put* calls than the queue may hold: some are told to come back, none is lost, none stored twice. A slow disk holds the
first commit up, so that the queue fills."""
import contextlib
import json
import socket
import threading

import pytest
from disk import BadDisk
from harness import new_dataset, new_group
from test_event_flow import counts, new_tracker


def requests(server, tracking, count, padding=0):
    """Signed PutEvents of one event each, as bytes."""
    made = []
    for i in range(count):
        more = {"properties": json.dumps({"device": "x" * padding})} if padding else {}
        body = json.dumps({"trackingId": tracking, "userId": f"u{i}", "sessionId": f"s{i}",
                           "eventList": [{"eventType": "view", "sentAt": 100 + i, "itemId": "i1", **more}]}).encode()
        headers = server.sign("POST", "/events", body, {"Content-Type": "application/json"})
        host = "%s:%d" % server.address
        lines = [f"{k}: {v}" for k, v in headers.items() if k.lower() not in ("host", "content-length")]
        made.append(("POST /events HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\nConnection: close\r\n%s\r\n\r\n"
                     % (host, len(body), "\r\n".join(lines))).encode() + body)
    return made


def send_at_once(server, texts):
    """The whole answers."""
    sockets = [socket.create_connection(server.address, 60) for _ in texts]
    for s, text in zip(sockets, texts):
        s.sendall(text[:-1])
    for s, text in zip(sockets, texts):  # all are waited for: the last byte of each at one time
        s.sendall(text[-1:])
    answers = [None] * len(sockets)

    def read(i):
        parts = []
        while part := sockets[i].recv(65536):
            parts.append(part)
        sockets[i].close()
        answers[i] = b"".join(parts)

    threads = [threading.Thread(target=read, args=(i,)) for i in range(len(sockets))]
    [t.start() for t in threads]
    [t.join() for t in threads]
    return answers


@pytest.mark.parametrize("option,padding", [(("--put-queue", "2"), 0), (("--put-queue-memory", "1"), 900)])
def test_beyond_the_queue_clients_are_throttled_and_nothing_is_lost(tmp_path, option, padding):
    """Whoever was told 200 is stored, once; whoever was told to come back is not, and succeeds later."""
    disk = BadDisk(tmp_path, *option)
    server = disk.server
    group = new_group(server)
    new_dataset(server, group)
    tracking = new_tracker(server, group)[1]
    texts = requests(server, tracking, 300, padding)
    done, throttled = set(), 0
    for _ in range(200):
        waiting = [i for i in range(len(texts)) if i not in done]
        if not waiting:
            break
        with disk.slow(300) if not done else contextlib.nullcontext():  # the first commit: the others have to wait
            answers = send_at_once(server, [texts[i] for i in waiting])
        for i, answer in zip(waiting, answers):
            if answer.startswith(b"HTTP/1.1 200"):
                done.add(i)
                continue
            assert b"ThrottlingException" in answer, answer
            throttled += 1
    found = counts(server, tracking)
    assert len(done) == len(texts), "every client came through in the end"
    assert throttled > 0 and found["throttled"] == throttled
    assert found["accepted"] == len(texts) and found["duplicate"] == found["failed"] == 0
    text = server.send("GET", "/metrics").body.decode()
    assert "ondol_queued_puts 0\n" in text and "ondol_queued_put_bytes 0\n" in text
    server.kill()  # what was acknowledged survives it
    server.start()
    assert f"ondol_history_events {len(texts)}\n" in server.send("GET", "/metrics").body.decode()
    server.stop()
