"""The list of steps of a run, in their order."""

from dataclasses import asdict
from functools import partial
from pathlib import Path

from reproduction import reports, work
from reproduction.code import SHOWN, current_code
from reproduction.engine import Step
from reproduction.recipes import NETWORKS, RECIPES
from reproduction.schedule import KINDS, NOISE


def make_steps(root, schedule, data=None):
    """All steps.

    Parameters
    ----------
    root : path
        Folder of the run.
    schedule : Schedule
    data : path, optional
        Folder of the published data set; without it cores are generated.
    """
    plan = _Plan(Path(root), schedule, None if data is None else str(Path(data).resolve()))
    plan.add_cores()
    plan.add_networks()
    plan.add_generalisation()
    plan.add_reports()
    return plan.steps


class _Plan:
    """Collects steps; names of cores are ``snow_0``, ``snow_0_unseen``, ``snow_0_noise2``."""

    def __init__(self, root, schedule, data):
        self.root, self.schedule, self.data = root, schedule, data
        self.steps = []
        self.tested = []
        self.code = current_code(without=SHOWN)

    def add(self, name, function, *, needs=(), **parameters):
        """Append ``function(folder, root=..., **parameters)``; its code is a parameter, too."""
        task = partial(function, root=self.root, **parameters)
        code = current_code() if function.__module__ == reports.__name__ else self.code
        self.steps.append(Step(name, task, {**_plain(parameters), "code": code}, tuple(needs)))

    def trained(self, seed):
        """Cores that the networks of a seed learn from, by kind."""
        return {kind: kind if self.data else f"{kind}_{seed}" for kind in KINDS}

    def unseen(self, seed):
        """Cores that they never saw: there are none in the published set."""
        return {} if self.data else {kind: f"{kind}_{seed}_unseen" for kind in KINDS}

    def add_cores(self):
        """Scans, masks, truth and labels; and the methods that learn nothing."""
        if self.data:
            for kind in KINDS:
                self.add(f"cores/{kind}", work.take_core, data=self.data, kind=kind)
                self._add_labels(kind)
            self._add_low_resolution("published", self.trained(0))
            return
        for seed in self.schedule.seeds:
            for i, kind in enumerate(KINDS):
                number = 100 * seed + i
                self._add_core(f"{kind}_{seed}", kind, self.schedule.n_slices, number)
                self._add_core(f"{kind}_{seed}_unseen", kind, self.schedule.n_unseen, 1000 + number)
                for name in (f"{kind}_{seed}", f"{kind}_{seed}_unseen"):
                    self._add_labels(name)
            self._add_low_resolution(f"{seed}", self.trained(seed))
            self._add_low_resolution(f"{seed}_unseen", self.unseen(seed))

    def _add_core(self, name, kind, n_slices, number, noise_factor=1.0):
        self.add(
            f"cores/{name}",
            work.make_core,
            kind=kind,
            n_slices=n_slices,
            n_columns=self.schedule.n_columns,
            noise=NOISE[kind] * noise_factor,
            seed=number,
        )

    def _add_labels(self, core):
        self.add(f"labels/{core}", work.make_labels, needs=[f"cores/{core}"], core=core)

    def _add_low_resolution(self, name, chosen):
        needs = [f"{room}/{core}" for core in chosen.values() for room in ("cores", "labels")]
        self._test(f"low_resolution_{name}", work.test_labelers, needs, cores=chosen)

    def _test(self, name, function, needs, **parameters):
        self.add(f"test/{name}", function, needs=needs, **parameters)
        self.tested.append(f"test/{name}")

    def add_networks(self):
        """The two recipes for every seed, and what lies between them for some."""
        for name in NETWORKS:
            seeds = self.schedule.seeds if name in RECIPES else self.schedule.ablation_seeds
            for seed in seeds:
                train = self._train(f"{name}_{seed}", name, self.trained(seed), seed)
                for suffix, chosen in (("", self.trained(seed)), ("_unseen", self.unseen(seed))):
                    if chosen:
                        self._predict(f"{name}_{seed}{suffix}", train, name, chosen)

    def _train(self, title, network, chosen, seed):
        needs = [f"{room}/{core}" for core in chosen.values() for room in ("cores", "labels")]
        self.add(
            f"train/{title}",
            work.train,
            needs=needs,
            network=network,
            cores=chosen,
            seed=seed,
            schedule=self.schedule,
        )
        return f"train/{title}"

    def _predict(self, title, train, network, chosen, method=None):
        rooms = ("cores", "labels")
        needs = [train, *(f"{room}/{core}" for core in chosen.values() for room in rooms)]
        self._test(
            title,
            work.test_network,
            needs,
            model=train,
            network=network,
            method=method or f"network: {network}",
            cores=chosen,
        )

    def add_generalisation(self):
        """Two kinds to train on and the third to test; other noise than in the training."""
        seed = self.schedule.seeds[0]
        for kind in KINDS:
            others = {k: core for k, core in self.trained(seed).items() if k != kind}
            train = self._train(f"without_{kind}_{seed}", "ours", others, seed)
            target = self.unseen(seed) or self.trained(seed)
            self._predict(
                f"without_{kind}_{seed}",
                train,
                "ours",
                {kind: target[kind]},
                "network: not trained on",
            )
        if self.data:
            return
        for factor in self.schedule.noise_factors:
            chosen = {kind: f"{kind}_{seed}_noise{factor:g}" for kind in KINDS}
            for i, (kind, core) in enumerate(chosen.items()):
                number = 1000 + 100 * seed + i
                self._add_core(core, kind, self.schedule.n_unseen, number, factor)
                self._add_labels(core)
            self._add_low_resolution(f"{seed}_noise{factor:g}", chosen)
            self._predict(f"ours_{seed}_noise{factor:g}", f"train/ours_{seed}", "ours", chosen)

    def add_reports(self):
        """Tables and figures."""
        seed = self.schedule.seeds[0]
        trained = list(self.trained(seed).values())
        needs = [f"{room}/{core}" for core in trained for room in ("cores", "labels")]
        cores_there = [step.name for step in self.steps if step.name.startswith("cores/")]
        self.add(
            "tables", reports.write_tables, needs=[*self.tested, *cores_there], tested=self.tested
        )
        needs += [f"{room}/{recipe}_{seed}" for recipe in RECIPES for room in ("train", "test")]
        self.add("figures", reports.write_figures, needs=needs, seed=seed)


def _plain(parameters):
    """Parameters as JSON has them."""
    return {k: asdict(v) if hasattr(v, "network") else v for k, v in parameters.items()}
