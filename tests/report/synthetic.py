#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""synthetic.py SITES [--heirs N] [--seed N] [--plain] -- failover maps of a
fleet that does not exist, as GET /v1/failover tells them, on standard output.

Sites lie on a plane and are as heavy as cities are; a site's clients go to the
sites around it, and when one of those fails too, to the others.  --plain leaves
out what a daemon without loads and deeper maps does not know.
"""
import argparse
import json
import math
import random
import sys

NOW_MS = 1772337600123
CLIENTS_PER_WEIGHT = 0.5
REACH = 0.03


def site_names(n):
    """chc and its like: three letters, and a digit where they run out."""
    rng = random.Random(7)
    names = {"chc": None, "akl": None, "syd": None, "mel": None, "per": None}
    while len(names) < n:
        name = (rng.choice("bcdfghjklmnprst") + rng.choice("aeiou")
                + rng.choice("bcdfghjklmnprstvwxyz"))
        names[name if name not in names else f"{name}{rng.randint(2, 9)}"] = None
    return list(names)[:n]


class Fleet:
    def __init__(self, n_sites, n_heirs, seed):
        self.rng = random.Random(seed)
        self.n_heirs = n_heirs
        self.names = site_names(n_sites)
        self.at = {s: (self.rng.random(), self.rng.random()) for s in self.names}
        self.weight = {s: round(self.rng.lognormvariate(10, .6)) for s in self.names}
        self.load = {s: w * self.rng.uniform(.8, 1.2) for s, w in self.weight.items()}
        self.capacity = {s: load / self.rng.uniform(.25, .65)
                         for s, load in self.load.items()}

    def shares(self, site, down):
        """Where site's clients go when the sites of down have failed."""
        x, y = self.at[site]
        near = sorted((math.dist((x, y), self.at[s]), s) for s in self.names
                      if s not in down)[:self.n_heirs]
        pull = {s: math.exp(-(d - near[0][0]) / REACH) * self.rng.uniform(.3, 1)
                for d, s in near}
        unknown = self.rng.uniform(.005, .05)
        total = sum(pull.values())
        return {s: p / total * (1 - unknown) for s, p in pull.items()}, unknown

    def heirs(self, site, down, weight, deeper):
        shares, unknown = self.shares(site, down)
        out = [self.heir(site, down, name, share, weight * share, deeper)
               for name, share in sorted(shares.items(), key=lambda i: -i[1])]
        out.append(self.heir(site, down, None, unknown, weight * unknown, False))
        return out

    def heir(self, site, down, name, share, weight, deeper):
        clients = round(weight * CLIENTS_PER_WEIGHT)
        four = round(clients * .7)
        error = 1.96 * math.sqrt(share * (1 - share) / 4000)
        heir = {"heir": name, "clients": clients, "weight": round(weight, 1),
                "clients_share": share, "weight_share": share,
                "families": {"4": {"clients": four, "weight": round(weight * .7, 1)},
                             "6": {"clients": clients - four,
                                   "weight": round(weight * .3, 1)}},
                "low": max(0, share - error), "high": min(1, share + error),
                "label": "measured" if len(down) == 1 else
                         "composed" if share < .05 else "certified"}
        if name is not None:
            heir.update(load=self.load[name], capacity=self.capacity[name],
                        load_after=self.load[name] + weight)
            if deeper:
                heir["heirs"] = self.heirs(site, down | {name}, weight, False)
        return heir

    def map(self, site, experiment):
        weight = self.weight[site]
        age_ms = round(self.rng.expovariate(1 / 6e7))
        return {"site": site, "experiment": experiment, "depth": 2,
                "measured_ms": NOW_MS - age_ms, "age_ms": age_ms,
                "clients": round(weight * CLIENTS_PER_WEIGHT), "weight": weight,
                "heirs": self.heirs(site, {site}, weight, True),
                "bystanders": self.rng.randrange(40),
                "answered": 398000 + self.rng.randrange(2000), "list_clients": 410000,
                "noise_floor": self.rng.uniform(.004, .02),
                "tests": {"4": ["198.51.100.0/24"], "6": ["2001:db8:7e57::/48"]},
                "label": "unstable" if self.rng.random() < .03 else "measured"}


def make_plain(obj):
    """In place: only what every daemon knows."""
    for key in ("low", "high", "load", "load_after", "capacity", "label", "noise_floor", "tests"):
        obj.pop(key, None)
    for heir in obj.get("heirs", []):
        heir.pop("heirs", None)
        make_plain(heir)


def make(n_sites, n_heirs=17, seed=1, plain=False):
    fleet = Fleet(n_sites, min(n_heirs, n_sites - 1), seed)
    maps = [fleet.map(site, i + 1) for i, site in enumerate(fleet.names)]
    if plain:
        for one in maps:
            make_plain(one)
    return {"maps": maps}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sites", type=int)
    parser.add_argument("--heirs", type=int, default=17)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plain", action="store_true")
    args = parser.parse_args()
    json.dump(make(args.sites, args.heirs, args.seed, args.plain), sys.stdout)


if __name__ == "__main__":
    main()
