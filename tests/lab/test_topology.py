# SPDX-License-Identifier: GPL-3.0-or-later
"""What the reader of containerlab files accepts, and what it refuses at which line."""

from __future__ import annotations

import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from labkit.clabfile import TopologyError  # noqa: E402
from labkit.topology import DEFAULT_MTU, Topology, read_topology  # noqa: E402

EXAMPLE = """\
name: t3
topology:
  defaults:
    kind: linux
    image: anycast-lab/bird:local
    image-pull-policy: Never
    privileged: false
    cap-add: [NET_ADMIN, NET_RAW, NET_BROADCAST]
    network-mode: none                      # no docker bridge, eth0 free
    cmd: /usr/sbin/bird -f -c /run/lab/bird.conf
    binds: ["cfg/__clabNodeName__.conf:/run/lab/bird.conf:ro"]
    sysctls: {net.ipv4.ip_forward: 1}
  groups: {site: {labels: {role: site}}}
  nodes:
    isp: {exec: ["ip addr add 10.0.1.1/30 dev eth1"]}
    chc: {group: site, exec: ["ip addr add 192.0.2.1/32 dev lo", "ip addr add 10.0.1.2/30 dev eth1"]}
  links:
    - {endpoints: ["isp:eth1", "chc:eth1"], mtu: 1500, vars: {note: "uplink"}}
"""

# The part of a file in front of what a refused case adds: five lines.
HEAD = """\
name: t
topology:
  defaults: {kind: linux, network-mode: none}
  groups: {site: {}}
  nodes:
"""


def read(text: str, **environ: str) -> Topology:
    with tempfile.NamedTemporaryFile("w", suffix=".clab.yml") as file:
        file.write(text)
        file.flush()
        return read_topology(Path(file.name), environ)


class Accepted(unittest.TestCase):
    def test_the_example(self) -> None:
        topology = read(EXAMPLE)
        self.assertEqual((topology.name, list(topology.nodes)), ("t3", ["isp", "chc"]))
        chc = topology.nodes["chc"]
        self.assertEqual(chc.cmd, ["/usr/sbin/bird", "-f", "-c", "/run/lab/bird.conf"])
        self.assertEqual(chc.labels, {"role": "site"})
        self.assertEqual(chc.sysctls, {"net.ipv4.ip_forward": "1"})
        self.assertEqual(len(chc.exec), 2)
        self.assertTrue(chc.binds["/run/lab/bird.conf"].read_only)
        self.assertEqual(topology.nodes["isp"].labels, {})
        self.assertEqual([(link.ends[0].node, link.mtu) for link in topology.links], [("isp", 1500)])

    def test_magic_words(self) -> None:
        text = read(EXAMPLE).magic("__clabLabName__ __clabNodeName__ __clabNodeDir__ __clabDir__", "chc", Path("/x"))
        self.assertEqual(text, "t3 chc /x/chc /x")

    def test_inheritance_merges_maps_and_replaces_lists(self) -> None:
        node = read("""\
name: t
topology:
  defaults: {kind: linux, env: {A: 1, B: 1, C: 1, D: 1}, exec: ["one"], binds: ["a:/run/x", "b:/run/y"]}
  kinds: {linux: {env: {B: 2, C: 2, D: 2}}}
  groups: {g: {env: {C: 3, D: 3}, exec: ["two"]}}
  nodes:
    n: {group: g, env: {D: 4}, binds: ["c:/run/x:ro"]}
""").nodes["n"]
        self.assertEqual(node.env, {"A": "1", "B": "2", "C": "3", "D": "4"})
        self.assertEqual(node.exec, ["two"])
        self.assertEqual({target: bind.source for target, bind in node.binds.items()}, {"/run/x": "c", "/run/y": "b"})

    def test_variables(self) -> None:
        text = HEAD + "    n: {env: {A: '${A:-a}', B: '${B:-b}', C: 'cost $$5', D: '${D:-}'}}\n    # $ stays\n"
        self.assertEqual(read(text, B="set").nodes["n"].env, {"A": "a", "B": "set", "C": "cost $5", "D": ""})

    def test_default_mtu_empty_node_and_shared_network(self) -> None:
        topology = read(
            HEAD
            + """\
    a:
    b: {startup-delay: 2, healthcheck: {test: ["CMD-SHELL", "true"], interval: 1}}
    c: {network-mode: "container:a", stages: {create: {wait-for: [{node: b, stage: healthy}]}}}
  links:
    - endpoints: ["a:eth0", "b:eth1"]
"""
        )
        self.assertEqual(topology.links[0].mtu, DEFAULT_MTU)
        self.assertEqual(topology.nodes["b"].startup_delay, 2)
        self.assertEqual(topology.nodes["b"].healthcheck, ["/bin/sh", "-c", "true"])
        self.assertEqual(topology.nodes["c"].network_of, "a")
        self.assertEqual(topology.nodes["c"].waits, {"create": [("b", "healthy")]})


# (what follows HEAD, line of the refusal, part of the message)
REFUSED_AFTER_HEAD = [
    ("    n: {ports: [80]}\n", 6, "key 'topology.nodes.n.ports': not in the subset"),
    ("    n:\n      kind: linux\n      cpu: 1\n", 8, "key 'topology.nodes.n.cpu'"),
    ("    n: {kind: srl}\n", 6, "only kind linux"),
    ("    n: {group: nobody}\n", 6, "there is no group 'nobody'"),
    ("    n: {}\n    n: {}\n", 7, "given twice, first in line 6"),
    ("    n:\n      env:\n        A: 1\n        A: 2\n", 9, "given twice, first in line 8"),
    ("    -n: {}\n", 6, "a node's name"),
    ("    n: [a]\n", 6, "must be a mapping"),
    ("    n: {cmd: 'unbalanced \"'}\n", 6, "cannot be split"),
    ("    n: {cmd: ''}\n", 6, "is empty"),
    ("    n: {exec: 'ip link'}\n", 6, "must be a list"),
    (
        "    n:\n      exec:\n        - ip link\n        - [ip, link]\n",
        9,
        "key 'topology.nodes.n.exec[1]': must be text",
    ),
    ("    n: {env: {A: yes}}\n", 6, "in quotes"),
    ("    n: {labels: {A: }}\n", 6, "must be text"),
    ("    n: {sysctls: {kernel.hostname: x}}\n", 6, "only net.*"),
    ("    n: {sysctls: {net.ipv4.ip_forward: true}}\n", 6, "in quotes"),
    ("    n: {binds: ['a:/etc/x']}\n", 6, "must be under /run/"),
    ("    n: {binds: ['a:/run/../etc/x']}\n", 6, "must be under /run/"),
    ("    n: {binds: ['a:/run/x:z']}\n", 6, "mode 'z'"),
    ("    n: {binds: ['a']}\n", 6, "SOURCE:/TARGET"),
    ("    n:\n      binds:\n        - a:/run/x\n        - b:/run/x\n", 9, "given twice"),
    ("    n: {startup-delay: soon}\n", 6, "whole number"),
    ("    n: {startup-delay: 9999}\n", 6, "between 0 and 3600"),
    ("    n: {network-mode: host}\n", 6, "'none' or 'container:NODE'"),
    ("    n: {network-mode: 'container:m'}\n", 6, "must name another node"),
    ("    n: {healthcheck: {test: [NONE]}}\n", 6, "CMD-SHELL"),
    ("    n: {healthcheck: {interval: 1}}\n", 6, "'test' is missing"),
    ("    n: {stages: {boot: {}}}\n", 6, "not in the subset"),
    ("    n: {stages: {create: {exec: []}}}\n", 6, "not in the subset"),
    ("    n: {stages: {create: {wait-for: [{node: m, stage: healthy}]}}}\n", 6, "no node 'm'"),
    ("    n: {stages: {create: {wait-for: [{node: n, stage: up}]}}}\n", 6, "must be one of"),
    ("    n: {stages: {create: {wait-for: [{node: n, stage: healthy}]}}}\n", 6, "waits in a circle"),
    ("    n: {}\n  links: [{endpoints: ['n:eth1']}]\n", 7, "exactly two endpoints"),
    ("    n: {}\n  links: [{endpoints: ['n:eth1', 'm:eth1']}]\n", 7, "there is no node 'm'"),
    (
        "    n: {}\n  links:\n    - endpoints: ['n:e1', 'n:e2']\n    - endpoints:\n        - n:e3\n        - n:e1\n",
        11,
        "used twice, first in line 8",
    ),
    ("    n: {}\n  links: [{endpoints: ['n:lo', 'n:e2']}]\n", 7, "not a valid interface name"),
    ("    n: {}\n  links: [{endpoints: ['n:sixteen-letters-', 'n:e2']}]\n", 7, "not a valid interface name"),
    ("    n: {}\n  links: [{endpoints: ['n:a/b', 'n:e2']}]\n", 7, "not a valid interface name"),
    ("    n: {}\n  links: [{endpoints: ['n', 'n:e2']}]\n", 7, "NODE:INTERFACE"),
    ("    n: {}\n  links: [{endpoints: ['n:a', 'n:b'], mtu: 60}]\n", 7, "between 68"),
    ("    n: {}\n  links: [{endpoints: ['n:a', 'n:b'], mtu: '1500'}]\n", 7, "whole number"),
    ("    n: {}\n  links: [{type: veth, endpoints: ['n:a', 'n:b']}]\n", 7, "topology.links[0].type"),
    ("    n: {}\n  links: [{endpoints: ['n:a', 'n:b'], vars: {delay_ms: fast}}]\n", 7, "delay_ms': must be a number"),
    ("    n: {}\n  links: [{endpoints: ['n:a', 'n:b'], vars: {loss: 1.5}}]\n", 7, "loss': must be between 0 and 1"),
    ("    n: {env: {A: $HOME}}\n", 6, "must be written as $$"),
    ("    n: {env: {A: '${UNSET}'}}\n", 6, "UNSET is not set"),
    ("    n: {env: {A: [}}\n", 6, "not valid YAML"),
]

REFUSED_WHOLE = [
    ("", 1, "empty"),
    ("topology: {nodes: {}}\n", 1, "'name' is missing"),
    ("name: t\n", 1, "'topology' is missing"),
    ("name: t\nsettings: {}\ntopology: {nodes: {}}\n", 2, "key 'settings'"),
    ("name: t\nname: u\ntopology: {nodes: {}}\n", 2, "given twice"),
    ("name: t\ntopology: {}\n", 2, "'nodes' is missing"),
    ("name: a/b\ntopology: {nodes: {}}\n", 1, "must consist of"),
    ("name: t\ntopology:\n  kinds: {srl: {}}\n  nodes: {}\n", 3, "only kind linux"),
    ("name: t\ntopology:\n  nodes:\n    n: {}\n", 4, "'kind' is missing"),
    ("name: t\ntopology:\n  defaults: {group: g}\n  nodes: {}\n", 3, "on a node only"),
    (
        "name: t\ntopology:\n  nodes:\n    a: {kind: linux}\n  links: [{endpoints: ['a:eth0', 'a:b']}]\n",
        5,
        "eth0 is free only",
    ),
    ("name: t\ntopology:\n  groups:\n    unused: {volumes: []}\n  nodes: {}\n", 4, "groups.unused.volumes"),
]


class Refused(unittest.TestCase):
    def test_each_case_at_its_line(self) -> None:
        cases = [(HEAD + tail, line, why) for tail, line, why in REFUSED_AFTER_HEAD] + REFUSED_WHOLE
        for text, line, why in cases:
            with self.subTest(text=text.removeprefix(HEAD)), self.assertRaises(TopologyError) as caught:
                read(text)
            self.assertIn(f".clab.yml:{line}: ", str(caught.exception))
            self.assertIn(why, str(caught.exception))

    def test_a_missing_file(self) -> None:
        with self.assertRaisesRegex(TopologyError, "cannot be read"):
            read_topology(Path("/nonexistent.clab.yml"))


if __name__ == "__main__":
    unittest.main()
