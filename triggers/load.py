"""Load a workspace: files in, a compiled workspace out, or every problem found in it.

Pure: the same files give the same workspace, wherever they come from. So a version record
carries files, and replay compiles what was compiled then.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar
from zoneinfo import available_timezones

import msgspec

from events.names import slug
from profile_state.cells import Slot
from profile_state.identity import DEFAULT_LIMITS
from triggers import generate, rules, yaml
from triggers.code import Code, Scope, compiled
from triggers.convert import convert
from triggers.definitions import (
    Cap,
    Member,
    PurposeRule,
    Quiet,
    Reentry,
    Segment,
    SendStep,
    Trigger,
    Workspace,
)
from triggers.durations import duration
from triggers.expressions import ExpressionError, parse
from triggers.problems import Problem, WorkspaceError
from triggers.schema import (
    LATER,
    Conditions,
    Deliver,
    Names,
    Purpose,
    SegmentFile,
    Send,
    TriggerFile,
    WorkspaceFile,
)
from triggers.templates import TemplateError
from triggers.templates import parse as parse_template
from triggers.words import nearest
from triggers.yaml import Document, Path

F = TypeVar("F", TriggerFile, SegmentFile, WorkspaceFile)
R = TypeVar("R")

STANDARD_PURPOSES = {
    "marketing": Purpose(default="denied"),
    "transactional": Purpose(default="allowed", caps="off", quiet_hours="off"),
}


def hash_of(files: Mapping[str, str]) -> str:
    """Name a version of a workspace by its content.

    >>> len(hash_of({"workspace.yaml": "workspace: shop"}))
    16
    """
    content = msgspec.msgpack.encode(sorted(files.items()))
    return hashlib.blake2b(content, digest_size=8).hexdigest()


def load(files: Mapping[str, str], addresses: Mapping[str, str | None]) -> Workspace:
    """Check and compile a workspace.

    Args:
        files: path below the workspace folder -> text: `workspace.yaml`, `segments/*.yaml`,
            `triggers/*.yaml`, `templates/*`.
        addresses: channel -> the kind of address that it sends to ("email", "phone"), None for
            channels that need none.

    Raises:
        WorkspaceError: with every problem found, each with file, line and column.
    """
    return _Loader(files, addresses).load()


class _Loader:
    """Collects problems over all files, so that a marketer mends them in one go."""

    def __init__(self, files: Mapping[str, str], addresses: Mapping[str, str | None]) -> None:
        self.files = files
        self.addresses = addresses
        self.problems: list[Problem] = []
        self.slots: dict[str, Slot] = {}
        self.names: dict[str, str] = {}  # "segment warm" -> the file that defines it

    def load(self) -> Workspace:
        workspace = self._workspace_file()
        segments = self._files("segments/", SegmentFile)
        triggers = self._files("triggers/", TriggerFile)
        self._unknown_files()
        self.purposes = {
            name: PurposeRule(p.default == "allowed", p.caps == "on", p.quiet_hours == "on")
            for name, p in {**STANDARD_PURPOSES, **workspace.purposes}.items()
        }
        known = self._unique("segment", [(d, s.segment) for d, s in segments])
        self._unique("trigger", [(d, t.trigger) for d, t in triggers])
        source = generate.Source()
        ordered = self._segments(segments, known, source)
        compiled_triggers, guards = self._triggers(triggers, known)
        self._generate(source, compiled_triggers, guards)
        quiet = self._workspace_rule(rules.quiet, workspace.quiet_hours, ("quiet_hours",))
        caps = self._channel_caps(workspace)
        if self.problems:
            raise WorkspaceError(self.problems)
        version = hash_of(self.files)
        functions = source.compiled(version)
        triggers_made = tuple(t for t, _, _ in compiled_triggers)
        members: dict[str, Member] = {
            s.name: functions[f"segment_{nth}"] for nth, s in enumerate(ordered)
        }
        by_event = {
            e: tuple(s for s in self.slots.values() if s.event == e) for e in self._folded()
        }
        return Workspace(
            hash=version,
            name=workspace.workspace,
            timezone=workspace.timezone,
            quiet=quiet,
            purposes=self.purposes,
            channel_caps=caps,
            addresses=dict(self.addresses),
            limits={
                **DEFAULT_LIMITS,
                **{kind: limit.max for kind, limit in workspace.identity.items()},
            },
            merging=frozenset({"user_id", "anonymous_id", "email", "phone"})
            - {kind for kind, limit in workspace.identity.items() if not limit.merge},
            triggers=triggers_made,
            segments=tuple(ordered),
            slots=self.slots,
            fold={event: functions[name] for event, name in self._folded().items()},
            entering={event: functions[name] for event, name in _entered(triggers_made).items()},
            guards=tuple(functions[f"if_{t.nth}"] for t in triggers_made),
            members=members,
            touched=by_event,
            ending={
                e: tuple(t.nth for t in triggers_made if e in t.then_no or e in t.exits)
                for e in {e for t in triggers_made for e in (*t.then_no, *t.exits)}
            },
            longest_cap=_longest_cap(triggers_made, caps),
            source=source.text(),
        )

    # Files.

    def _workspace_file(self) -> WorkspaceFile:
        text = self.files.get("workspace.yaml")
        if text is None:
            raise WorkspaceError(
                [Problem("workspace.yaml", 1, 1, "the workspace folder has no workspace.yaml")]
            )
        found = self._read("workspace.yaml", text, WorkspaceFile)
        if found is None:
            raise WorkspaceError(self.problems)
        self.document, workspace = found
        if workspace.timezone not in available_timezones():
            hint = nearest(workspace.timezone, available_timezones())
            self._say(
                self.document, ("timezone",), f"unknown time zone {workspace.timezone!r}.{hint}"
            )
        for channel in workspace.channels:
            self._known_channel(self.document, ("channels", channel, ""), channel)
        return workspace

    def _read(self, path: str, text: str, shape: type[F]) -> tuple[Document, F] | None:
        try:
            document = yaml.read(path, text)
        except WorkspaceError as error:
            self.problems += error.problems
            return None
        found = convert(document, shape)
        if isinstance(found, Problem):
            self.problems.append(found)
            return None
        return document, found

    def _files(self, folder: str, shape: type[F]) -> list[tuple[Document, F]]:
        paths = sorted(
            p for p in self.files if p.startswith(folder) and p.endswith((".yaml", ".yml"))
        )
        read = [self._read(path, self.files[path], shape) for path in paths]
        return [found for found in read if found is not None]

    def _unknown_files(self) -> None:
        for path in sorted(self.files):
            folder, _, name = path.rpartition("/")
            if (
                path.endswith((".yaml", ".yml"))
                and path != "workspace.yaml"
                and folder not in ("segments", "triggers")
            ):
                self.problems.append(
                    Problem(
                        path,
                        1,
                        1,
                        f"{name} is read by nobody here; triggers live in triggers/, segments in segments/",
                    )
                )

    def _unique(self, what: str, found: list[tuple[Document, str]]) -> set[str]:
        for document, name in found:
            other = self.names.setdefault(f"{what} {name}", document.file)
            if other != document.file:
                self._say(document, (what,), f"the {what} {name!r} is already defined in {other}")
        return {name for _, name in found}

    def _say(self, document: Document, path: Path, message: str, shift: int = 0) -> None:
        self.problems.append(document.problem(path, message, shift))

    def _known_channel(self, document: Document, path: Path, channel: str) -> bool:
        if channel in self.addresses:
            return True
        hint = nearest(channel, self.addresses)
        self._say(
            document,
            path,
            f"unknown channel {channel!r}.{hint} Known: {', '.join(sorted(self.addresses))}",
        )
        return False

    def _rule(
        self, read: Callable[[str], R], text: str | None, document: Document, path: Path
    ) -> R | None:
        if text is None:
            return None
        try:
            return read(text)
        except ValueError as error:
            self._say(document, path, str(error))
            return None

    def _workspace_rule(self, read: Callable[[str], R], text: str | None, path: Path) -> R | None:
        return self._rule(read, text, self.document, path)

    def _channel_caps(self, workspace: WorkspaceFile) -> dict[str, dict[str, Cap]]:
        caps: dict[str, dict[str, Cap]] = {}
        for channel, options in workspace.channels.items():
            for purpose, text in options.caps.items():
                path = ("channels", channel, "caps", purpose)
                self._known_purpose(self.document, path, purpose)
                found = self._workspace_rule(rules.cap, text, path)
                if found is not None:
                    caps.setdefault(channel, {})[purpose] = found
        return caps

    def _known_purpose(self, document: Document, path: Path, purpose: str) -> None:
        if purpose not in self.purposes:
            hint = nearest(purpose, self.purposes)
            self._say(
                document,
                path,
                f"unknown purpose {purpose!r}.{hint} Known: {', '.join(sorted(self.purposes))}",
            )

    # Conditions.

    def _conditions(
        self, document: Document, conditions: Conditions, path: Path, scope: Scope
    ) -> Code:
        """Compile a list of conditions, of which all must hold."""
        if isinstance(conditions, str):
            return self._condition(document, conditions, path, scope)
        parts = [
            self._condition(document, c, (*path, nth), scope) for nth, c in enumerate(conditions)
        ]
        return _all_of(parts)

    def _condition(self, document: Document, condition: Any, path: Path, scope: Scope) -> Code:
        if isinstance(condition, dict):
            return self._nested(document, condition, path, scope)
        try:
            return compiled(parse(condition), scope)
        except ExpressionError as error:
            self._say(document, path, error.message, error.column)
            return Code("False")

    def _nested(
        self, document: Document, condition: dict[str, Any], path: Path, scope: Scope
    ) -> Code:
        forms = {frozenset({"any_of"}), frozenset({"none_of"}), frozenset({"at_least", "of"})}
        if frozenset(condition) not in forms:
            word = next(iter(condition), "")
            hint = nearest(word, ["any_of", "none_of", "at_least"])
            self._say(
                document,
                path,
                f"`any_of: [..]`, `none_of: [..]` or `at_least: 2, of: [..]` was expected, found {word!r}.{hint} "
                "A comma or colon inside a condition needs quotes around it",
            )
            return Code("False")
        name = "of" if "of" in condition else next(iter(condition))
        inner = condition[name]
        if not isinstance(inner, list):
            self._say(document, (*path, name), "a list was expected")
            return Code("False")
        parts = [
            self._condition(document, c, (*path, name, nth), scope) for nth, c in enumerate(inner)
        ]
        horizons = tuple(h for p in parts for h in p.horizons)
        counted = " + ".join(f"bool({p.value})" for p in parts) or "0"
        if name == "none_of":
            return Code(f"(({counted}) == 0)", horizons)
        least = condition.get("at_least", "1")
        if not str(least).isdigit():
            self._say(
                document, (*path, "at_least"), f"a whole number was expected, found {least!r}"
            )
            return Code("False")
        return Code(f"(({counted}) >= {int(least)})", horizons)

    # Segments.

    def _segments(
        self, found: list[tuple[Document, SegmentFile]], known: set[str], source: generate.Source
    ) -> list[Segment]:
        made: dict[str, tuple[Document, Segment, Code]] = {}
        for document, file in found:
            scope = Scope(self.slots, known, has_event=False)
            code = self._conditions(document, file.if_, ("if",), scope)
            uses = scope.uses
            segment = Segment(
                file.segment, frozenset(uses.events), bool(uses.traits), frozenset(uses.segments)
            )
            made[file.segment] = (document, segment, code)
        ordered: list[Segment] = []
        for name in sorted(made):
            self._in_order(name, made, ordered, ())
        for nth, segment in enumerate(ordered):
            code = made[segment.name][2]
            source.function(
                f"segment_{nth}", "p, now", generate.member_body(code.value, code.horizons)
            )
        return ordered

    def _in_order(
        self,
        name: str,
        made: dict[str, tuple[Document, Segment, Code]],
        ordered: list[Segment],
        above: tuple[str, ...],
    ) -> None:
        document, segment, _ = made[name]
        if name in above:
            circle = " -> ".join((*above[above.index(name) :], name))
            self._say(document, ("if",), f"segments ask for each other in a circle: {circle}")
            return
        if segment in ordered:
            return
        for other in sorted(segment.segments & set(made)):
            self._in_order(other, made, ordered, (*above, name))
        if segment not in ordered:
            ordered.append(segment)

    # Triggers.

    def _triggers(
        self, found: list[tuple[Document, TriggerFile]], known: set[str]
    ) -> tuple[list[tuple[Trigger, str, str]], list[str]]:
        """Compile triggers, each with its `where` and its `if` as source."""
        made = []
        for nth, (document, file) in enumerate(found):
            scope = Scope(self.slots, known, has_event=True)
            where = self._conditions(document, file.when.where, ("when", "where"), scope)
            guard = self._conditions(document, file.if_, ("if",), scope)
            made.append((self._trigger(nth, document, file, known), where.value, guard.value))
        return made, [guard for _, _, guard in made]

    def _trigger(self, nth: int, document: Document, file: TriggerFile, known: set[str]) -> Trigger:
        when = file.when
        events, then_no, absence = self._occurrence(document, file)
        key = slug(file.key) if file.key else None
        exits = _slugs(file.exit_when)
        self._only_events(document, exits, file.exit_when)
        steps = tuple(
            self._send(document, n, step.send, file.deliver) for n, step in enumerate(file.do)
        )
        if not steps:
            self._say(document, ("do",), "a trigger without a step does nothing; add a `send`")
        deliver = file.deliver
        return Trigger(
            nth=nth,
            name=file.trigger,
            status=file.status,
            events=events,
            segment=self._edge(document, when.segment, known),
            absence=absence,
            then_no=then_no,
            exits=exits,
            ends=tuple(self._ending_slot(e, key) for e in (*then_no, *exits)),
            key=key,
            restart=file.while_active == "restart",
            reentry=self._reentry(document, file, steps),
            steps=steps,
            priority=deliver.priority,
            caps=self._caps(document, deliver),
            quiet=self._quiet(document, deliver),
            quiet_set=deliver.quiet_hours is not None,
            valid_for=self._rule(duration, deliver.valid_for, document, ("deliver", "valid_for")),
            until_end_of_day=deliver.by == "end_of_day",
            recheck=deliver.recheck,
            on_quiet=deliver.on_quiet,
            on_cap=deliver.on_cap,
        )

    def _occurrence(
        self, document: Document, file: TriggerFile
    ) -> tuple[tuple[str, ...], tuple[str, ...], int | None]:
        when = file.when
        forms = [
            w
            for w, given in (
                ("event", when.event),
                ("absence", when.absence),
                ("segment", when.segment),
            )
            if given
        ]
        if len(forms) != 1:
            self._say(
                document,
                ("when",),
                f"one of event, absence or segment was expected, found {' and '.join(forms) or 'none'}",
            )
            return (), (), None
        if when.absence is not None:
            wait = self._rule(duration, when.absence.for_, document, ("when", "absence", "for"))
            return _slugs(when.absence.after), _slugs(when.absence.of), wait or 0
        if (when.then_no is None) != (when.within is None):
            self._say(document, ("when",), "`then_no: EVENT` and `within: 30m` belong together")
        if when.event is None or when.then_no is None:
            return _slugs(when.event or []), (), None
        wait = self._rule(duration, when.within, document, ("when", "within"))
        return _slugs(when.event), _slugs(when.then_no), wait or 0

    def _only_events(self, document: Document, exits: tuple[str, ...], written: Names) -> None:
        words = [written] if isinstance(written, str) else written
        for nth, word in enumerate(words):
            if word in LATER or any(sign in word for sign in "<>=() "):
                self._say(
                    document,
                    ("exit_when", nth),
                    f"{word!r}: this release takes events here, such as order_completed",
                )
        assert len(exits) <= len(words)

    def _edge(
        self, document: Document, text: str | None, known: set[str]
    ) -> tuple[str, str] | None:
        if text is None:
            return None
        edge, _, name = text.partition(" ")
        if edge not in ("entered", "exited") or not name:
            self._say(
                document,
                ("when", "segment"),
                f"`entered NAME` or `exited NAME` was expected, found {text!r}",
            )
            return None
        if name not in known:
            self._say(
                document, ("when", "segment"), f"unknown segment {name!r}.{nearest(name, known)}"
            )
        return edge, name

    def _ending_slot(self, event: str, key: str | None) -> str:
        words = f"newest {event}" + (f" by {key}" if key else "")
        self.slots.setdefault(words, Slot(words, "newest", event, None, "", key, None, 1))
        return words

    def _reentry(
        self, document: Document, file: TriggerFile, steps: tuple[SendStep, ...]
    ) -> Reentry:
        if file.reentry is not None:
            return self._rule(rules.reentry, file.reentry, document, ("reentry",)) or Reentry(
                1, None
            )
        transactional = bool(steps) and all(step.purpose == "transactional" for step in steps)
        return Reentry(None, None) if transactional else Reentry(1, None)

    def _caps(self, document: Document, deliver: Deliver) -> dict[str, Cap]:
        caps = {}
        for channel, text in deliver.caps.items():
            path = ("deliver", "caps", channel)
            self._known_channel(document, path, channel)
            found = self._rule(rules.cap, text, document, path)
            if found is not None:
                caps[channel] = found
        return caps

    def _quiet(self, document: Document, deliver: Deliver) -> Quiet | None:
        if deliver.quiet_hours == "off":
            return None
        return self._rule(rules.quiet, deliver.quiet_hours, document, ("deliver", "quiet_hours"))

    def _send(self, document: Document, nth: int, send: Send, deliver: Deliver) -> SendStep:
        path: Path = ("do", nth, "send")
        purpose = send.purpose or deliver.purpose
        if purpose is None:
            self._say(
                document,
                path,
                "no purpose: add `deliver: {purpose: marketing}` or give this send its own",
            )
        else:
            at: Path = (*path, "purpose") if send.purpose else ("deliver", "purpose")
            self._known_purpose(document, at, purpose)
        if not send.channels:
            self._say(document, (*path, "channels"), "a send needs at least one channel")
        facts: set[str] = set(send.require)
        event_facts: set[str] | None = set()
        for n, channel in enumerate(send.channels):
            if not self._known_channel(document, (*path, "channels", n), channel):
                continue
            variables = self._variables(document, path, send, channel, purpose)
            if variables is None:
                event_facts = None
                continue
            facts |= {slug(v.split(".")[0]) for v in variables if not v.startswith("event")}
            if event_facts is not None:
                event_facts |= {slug(v.split(".")[1]) for v in variables if v.startswith("event.")}
        return SendStep(
            channels=tuple(send.channels),
            template=send.template,
            purpose=purpose or "",
            require=tuple(slug(name) for name in send.require),
            every=send.all,
            facts=tuple(sorted(facts)),
            event_facts=None if event_facts is None else tuple(sorted(event_facts)),
        )

    def _variables(
        self, document: Document, path: Path, send: Send, channel: str, purpose: str | None
    ) -> set[str] | None:
        """Return what a channel's template reads; None where there is no template to ask."""
        if send.template is None:
            if self.addresses[channel] is not None:
                self._say(document, path, f"a send on {channel} needs a template")
            return None
        options = [
            f"templates/{send.template}.{channel}.liquid",
            f"templates/{send.template}.liquid",
        ]
        file = next((f for f in options if f in self.files), None)
        if file is None:
            if self.addresses[channel] is None:
                return None  # channels for machines take the whole activation
            known = {
                f.removeprefix("templates/").split(".")[0]
                for f in self.files
                if f.startswith("templates/")
            }
            self._say(
                document,
                (*path, "template"),
                f"the template {send.template!r} has no file for {channel}: neither {options[0]} nor "
                f"{options[1]} exists.{nearest(send.template, known - {send.template})}",
            )
            return None
        try:
            template = parse_template(file, self.files[file])
        except TemplateError as error:
            problem = Problem(file, 1, 1, str(error))
            if problem not in self.problems:
                self.problems.append(problem)
            return None
        if (purpose == "transactional") != (template.purpose == "transactional"):
            self._say(
                document,
                (*path, "template"),
                f"purpose transactional and templates marked `purpose: transactional` go together; "
                f"{file} is marked {template.purpose or 'nothing'}",
            )
        return template.variables()

    def _folded(self) -> dict[str, str]:
        """Name the function of each event that slots remember."""
        return {
            e: f"fold_{nth}" for nth, e in enumerate(sorted({s.event for s in self.slots.values()}))
        }

    def _generate(
        self, source: generate.Source, made: list[tuple[Trigger, str, str]], guards: list[str]
    ) -> None:
        for event, name in self._folded().items():
            slots = [slot for slot in self.slots.values() if slot.event == event]
            source.function(name, "c, e, ms, id, now", generate.fold_body(slots))
        for event, name in _entered([t for t, _, _ in made]).items():
            conditions = [
                (t.nth, where if t.absence is not None else f"{where} and {guard}")
                for t, where, guard in made
                if event in t.events and t.status != "draft"
            ]
            source.function(name, "p, e, now", generate.entering_body(conditions))
        for nth, guard in enumerate(guards):
            source.function(f"if_{nth}", "p, e, now", generate.guard_body(guard))


def _entered(triggers: Iterable[Trigger]) -> dict[str, str]:
    """Name the function of each event that triggers wait for; a slug need not be a Python name."""
    return {e: f"on_{nth}" for nth, e in enumerate(sorted({e for t in triggers for e in t.events}))}


def _all_of(parts: list[Code]) -> Code:
    horizons = tuple(h for p in parts for h in p.horizons)
    return Code(f"({' and '.join(p.value for p in parts) or 'True'})", horizons)


def _slugs(names: Names) -> tuple[str, ...]:
    return tuple(slug(n) for n in ([names] if isinstance(names, str) else names))


def _longest_cap(triggers: tuple[Trigger, ...], caps: dict[str, dict[str, Cap]]) -> int:
    lengths = [cap.per for t in triggers for cap in t.caps.values()]
    lengths += [cap.per for of_channel in caps.values() for cap in of_channel.values()]
    return max(lengths, default=0)
