# SPDX-License-Identifier: Apache-2.0
"""From a plan file's tables to the plan: combinations made, defaults filled in, and all checked against each other."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from vkbench.campaign.figures.statistics import needed_cycles
from vkbench.campaign.planning import not_tested
from vkbench.campaign.planning.planfile import (
    NAME,
    CatalogueFile,
    CatalogueRow,
    ConfigurationTable,
    PlanFile,
    RequirementTable,
)
from vkbench.campaign.planning.ways import Way, described, name_of, products, title_of
from vkbench.config import toml_file
from vkbench.config.lines import key_lines, line_of
from vkbench.errors import PlanError
from vkbench.evidence.campaign import Configuration, Goal, Health, Plan, Requirement
from vkbench.server.injections import INJECTIONS, expectation_of, with_injection
from vkbench.server.scenario import SCENARIOS
from vkbench.verdict.catalogue import JUMP_ID, MEMORY_ID, RULES, judging

#: A bench's feature: its card is a test build, into which defects can be seeded.
SEEDED_DEFECTS = "seeded-defects"
#: How a panic that nobody tells the card about must show.
STOCK_CAUGHT_BY = (JUMP_ID, MEMORY_ID)
_NO_CONTROL = (
    "the plan has no negative control: a bench that sees nothing would pass every cycle of it. "
    'Add [[configuration]] with scenario = "panic-stock" and n = …, or one with [configuration.defects]'
)

Loc = tuple[str | int, ...]


class Reading:
    """One plan file on its way to a plan. ``problems`` has a line for each mistake. ``registered``: what stands for the
    catalogue's folder in a campaign's directory, which has none.
    """

    def __init__(self, path: Path, lines: Mapping[Loc, int], registered: Sequence[Requirement] = ()) -> None:
        self.problems: list[str] = []
        self._registered = registered
        self._path, self._lines = path, lines
        self._rules: dict[str, tuple[str, ...]] = {}  # what judges each configuration's runs, by its name
        self._places: dict[str, Loc] = {}  # where each configuration stands

    def plan(self, table: dict[str, Any], sha256: str) -> Plan | None:
        """The plan; None when there are problems."""
        file, rows = self._tables(table)
        whole = file is not None
        requirements, places = self._requirements(table, file)
        configurations = [one for at, row in rows for one in self._configurations(at, row, requirements)]
        if whole and not self.problems:
            self._check_together(configurations, requirements, places)
        if file is None or self.problems:
            return None
        listed = [*requirements, *self._catalogue(file, requirements)]
        if self.problems:
            return None
        return Plan(
            name=file.name,
            title=file.title,
            purpose=file.purpose,
            seed=file.seed,
            confidence=file.confidence,
            coverage=file.coverage,
            stop_on_failure=file.stop_on_failure,
            repeats=file.repeats,
            health=Health(**file.health.model_dump()),
            requirements=listed,
            configurations=configurations,
            not_tested=[*file.not_tested, *not_tested.derived(configurations, listed)],
            sha256=sha256,
        )

    def _say(self, loc: Loc, message: str) -> None:
        line = line_of(self._lines, loc)
        place = f"{self._path}:{line}" if line else f"{self._path}"
        name = toml_file.dotted(loc)
        self.problems.append(f"{place}: {f'{name}: ' if name else ''}{message}")

    # ---- each table by itself ----------------------------------------------------------------------------------------

    def _tables(self, table: dict[str, Any]) -> tuple[PlanFile | None, list[tuple[int, ConfigurationTable]]]:
        """The file, None when a key of it is wrong; and each [[configuration]] that is right by itself."""
        try:
            file = PlanFile.model_validate(table)
            return file, list(enumerate(file.configuration))
        except ValidationError as error:
            for item in error.errors():
                self.problems.append(toml_file.problem(PlanFile, self._path, self._lines, item))
        return None, list(_valid(ConfigurationTable, table.get("configuration")))

    # ---- requirements ------------------------------------------------------------------------------------------------

    def _requirements(
        self, table: dict[str, Any], file: PlanFile | None
    ) -> tuple[list[Requirement], dict[str, Loc]]:
        """The plan's own requirements, and where each stands."""
        found: dict[str, Requirement] = {}
        places: dict[str, Loc] = {}
        listed = file.rules if file else [rule for rule in _texts(table.get("rules")) if rule in RULES]
        rows: list[tuple[Loc, Requirement]] = [
            (("rules", number), _of_rule(rule)) for number, rule in enumerate(listed)
        ]
        for number, row in _valid(RequirementTable, table.get("requirement")):
            if (requirement := self._requirement(("requirement", number), row)) is not None:
                rows.append((("requirement", number), requirement))
        for loc, requirement in rows:
            if requirement.id in found:
                self._say(loc, f"{requirement.id} is there twice")
            found.setdefault(requirement.id, requirement)
            places.setdefault(requirement.id, loc)
        return list(found.values()), places

    def _requirement(self, loc: Loc, row: RequirementTable) -> Requirement | None:
        if row.id in RULES:
            if row.text is None and row.rules is None and not row.source:
                return _of_rule(row.id)
            self._say(
                (*loc, "id"),
                f"{row.id} is a rule of the verdict and brings its text; give your own another id",
            )
            return None
        missing = [name for name, value in (("text", row.text), ("rules", row.rules)) if value is None]
        if missing:
            self._say(
                (*loc, "id"),
                f"{row.id} is no rule of the verdict, so it needs {' and '.join(missing)}; rules of the verdict: "
                f"{', '.join(RULES)}",
            )
            return None
        return Requirement(id=row.id, text=row.text or "", source=row.source, rules=row.rules or [])

    def _catalogue(self, file: PlanFile, own: list[Requirement]) -> Iterator[Requirement]:
        """What the catalogue has beside the plan's own requirements; to those it adds their tests."""
        if file.catalogue is None:
            return
        by_id = {requirement.id: requirement for requirement in own}
        for row in self._registered or self._folder(self._path.parent / file.catalogue):
            if row.id in by_id:
                by_id[row.id].points = row.points
            else:
                yield Requirement(id=row.id, text=row.text, source=row.source, points=row.points)

    def _folder(self, folder: Path) -> Iterator[CatalogueRow]:
        paths = sorted(folder.glob("*.toml"))
        if not paths:
            self._say(("catalogue",), f"{folder} has no *.toml")
        seen: set[str] = set()
        for path in paths:
            for row in self._catalogue_rows(path):
                if row.id in seen:
                    self.problems.append(f"{path}: {row.id} is in the catalogue twice")
                seen.add(row.id)
                yield row

    def _catalogue_rows(self, path: Path) -> list[CatalogueRow]:
        try:
            text, table = toml_file.read(path.read_bytes(), path, PlanError)
        except PlanError as error:
            self.problems += error.problems
            return []
        try:
            return CatalogueFile.model_validate(table).requirement
        except ValidationError as error:
            lines = key_lines(text)
            self.problems += [toml_file.problem(CatalogueFile, path, lines, item) for item in error.errors()]
        return []

    # ---- configurations ----------------------------------------------------------------------------------------------

    def _configurations(
        self, number: int, row: ConfigurationTable, requirements: list[Requirement]
    ) -> Iterator[Configuration]:
        loc: Loc = ("configuration", number)
        n = self._cycles(loc, row)
        for way in self._ways(loc, row):
            name = name_of(row, way)
            if not NAME.fullmatch(name):
                self._say(loc, f"its name {name!r} is too long; give it a shorter one by name = …")
                continue
            if name in self._places:
                self._say(loc, f"there is a configuration {name!r} already; give this one a name of its own")
                continue
            self._places[name] = loc
            one = self._configuration(loc, row, way, name, n, requirements)
            if one is not None:
                yield one

    def _cycles(self, loc: Loc, row: ConfigurationTable) -> int:
        """n, given or from the goal."""
        if row.goal is None:
            if row.n is None:
                self._say(loc, "needs n = … (cycles), or goal = { reliability = 0.99, confidence = 0.95 }")
            return row.n or 1
        needed = needed_cycles(row.goal.reliability, row.goal.confidence, row.allowed_failures)
        needed += row.allowed_inconclusive  # they are set aside, docs/statistics.md
        if row.n is not None and row.n < needed:
            self._say((*loc, "n"), f"{row.n} cycles cannot show the goal, which needs {needed}; leave n out")
        return row.n or needed

    def _ways(self, loc: Loc, row: ConfigurationTable) -> Iterator[Way]:
        """Every combination of the row's lists that there is."""
        for patterns in products(row.where):
            for name, injection in itertools.product(row.scenario, row.injection or [""]):
                scenario, where = SCENARIOS[name], dict(patterns)
                if injection and scenario.kind != "panic":
                    self._say((*loc, "injection"), f"{name} has none; only the panic scenarios have")
                    return
                arch = INJECTIONS[injection].arch if injection else ()
                if len(arch) == 1 and where.setdefault("arch", arch[0]) != arch[0]:
                    self._say((*loc, "injection"), f"{injection} is for {arch[0]} only, where says otherwise")
                    return
                if injection:
                    scenario = with_injection(scenario, injection, arch[0])
                if scenario.must_fail and row.defects:
                    self._say(
                        (*loc, "defects"),
                        f"{described(scenario)} fails with a good card as well, so it cannot show a defect",
                    )
                    return
                for defect in row.defects or [""]:
                    yield Way(scenario, injection, defect, where)

    def _configuration(
        self,
        loc: Loc,
        row: ConfigurationTable,
        way: Way,
        name: str,
        n: int,
        requirements: list[Requirement],
    ) -> Configuration | None:
        before = len(self.problems)
        judged = judging(way.scenario.kind, expectation_of(way.scenario))
        self._rules[name] = judged
        control = way.scenario.must_fail or bool(way.defect)
        caught_by = list(STOCK_CAUGHT_BY) if control else []
        if way.defect:
            caught_by = (row.defects or {})[way.defect]
            if row.caught_by is not None:
                self._say((*loc, "caught_by"), "each defect has rules of its own in [configuration.defects]")
        elif row.caught_by is not None:
            caught_by = row.caught_by
            if not control:
                self._say(
                    (*loc, "caught_by"), f"{described(way.scenario)} must pass: only a control is caught"
                )
        at = (*loc, "defects", way.defect) if way.defect else (*loc, "caught_by")
        if not set(caught_by) <= set(judged):
            unjudged = ", ".join(rule for rule in caught_by if rule not in judged)
            self._say(
                at,
                f"{unjudged} does not judge {described(way.scenario)}; these rules do: {', '.join(judged)}",
            )
        for key, given in (
            ("goal", row.goal is not None),
            ("allowed_failures", row.allowed_failures > 0),
            ("allowed_inconclusive", row.allowed_inconclusive > 0),
        ):
            if control and given:
                self._say(
                    (*loc, key), f"{name} is a control, which must be caught each time: give it n alone"
                )
        if row.allowed_failures + row.allowed_inconclusive >= n:
            self._say(loc, f"of {n} cycles all may be without PASS: that shows nothing")
        shown = self._shown(loc, row, name, caught_by if control else judged, requirements)
        if len(self.problems) > before:
            return None
        needs = [*row.needs, *([SEEDED_DEFECTS] if way.defect and SEEDED_DEFECTS not in row.needs else [])]
        return Configuration(
            name=name,
            title=title_of(row, way),
            role="control" if control else "candidate",
            scenario=way.scenario.name,
            injection=way.injection,
            defect=way.defect,
            caught_by=caught_by,
            requirements=shown,
            needs=needs,
            where=way.where,
            n=n,
            goal=Goal(**row.goal.model_dump()) if row.goal else None,
            allowed_failures=row.allowed_failures,
            allowed_inconclusive=row.allowed_inconclusive,
        )

    def _shown(
        self,
        loc: Loc,
        row: ConfigurationTable,
        name: str,
        judged: tuple[str, ...] | list[str],
        requirements: list[Requirement],
    ) -> list[str]:
        """Ids of the requirements that this configuration is about."""
        possible = [one.id for one in requirements if set(one.rules) & set(judged)]
        if row.requirements is None:
            return possible
        for number, wanted in enumerate(row.requirements):
            at = (*loc, "requirements", number)
            if wanted not in [one.id for one in requirements]:
                ids = ", ".join(one.id for one in requirements) or "none"
                self._say(at, f"{wanted!r} is no requirement of this plan; it has {ids}")
            elif wanted not in possible:
                self._say(
                    at, f"no rule of {wanted} judges {name}; its runs are judged by {', '.join(judged)}"
                )
        return row.requirements

    # ---- all together ------------------------------------------------------------------------------------------------

    def _check_together(
        self, configurations: list[Configuration], requirements: list[Requirement], places: dict[str, Loc]
    ) -> None:
        candidates = [one for one in configurations if one.role == "candidate"]
        if not any(one.role == "control" for one in configurations):
            self._say((), _NO_CONTROL)
        if not candidates:
            self._say((), "all configurations are controls: there is none whose cycles must pass")
            return
        if not requirements:
            judged = {rule for one in candidates for rule in self._rules[one.name]}
            rules = ", ".join(f'"{rule}"' for rule in RULES if rule in judged)
            self._say((), f"the plan names no requirement; its cycles can show rules = [{rules}]")
        for requirement in requirements:
            shown = {
                rule
                for one in candidates
                if requirement.id in one.requirements
                for rule in self._rules[one.name]
            }
            missing = [rule for rule in requirement.rules if rule not in shown]
            if missing:
                self._say(
                    places[requirement.id],
                    f"{requirement.id} cannot be shown: no configuration whose cycles must pass is judged by "
                    f"{', '.join(missing)} for it",
                )


def _valid(model: type[BaseModel], rows: Any) -> Iterator[tuple[int, Any]]:
    """Those rows that are right by themselves, with their number; what is wrong with the others is said elsewhere."""
    for number, row in enumerate(rows if isinstance(rows, list) else []):
        try:
            yield number, model.model_validate(row)
        except ValidationError:
            continue


def _texts(value: Any) -> list[str]:
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []


def _of_rule(rule: str) -> Requirement:
    words = RULES[rule]
    return Requirement(id=rule, text=words.requirement, source=words.source, rules=[rule])
