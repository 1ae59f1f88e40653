"""Times of day: adding a duration, the time between two times, 12-hour and 24-hour form."""

from __future__ import annotations

import random
import re

from edgemind.distill.problems.base import Problem
from edgemind.distill.problems.numeric.columns import add_steps
from edgemind.distill.problems.numeric.phrasing import dress

AFTER = (
    "It is {t}. What time is it in {d}?", "It's {t}. What time will it be in {d}?", "What time is it {d} after {t}?",
    "What time is {d} after {t}?", "Add {d} to {t}.", "{t} plus {d}", "{t} + {d}", "What is {t} plus {d}?",
    "What time will it be {d} after {t}?", "It is {t} now. What will the time be in {d}?",
    "A film starts at {t} and lasts {d}. When does it end?",
    "The train leaves at {t} and takes {d}. When does it arrive?", "If it is {t} now, what time is it in {d}?",
    "My class starts at {t} and lasts {d}. When is it over?", "{d} after {t} is what time?",
    "The clock shows {t}. What does it show {d} later?", "When is {d} after {t}?",
    "Start at {t} and add {d}. What time is it?", "I leave at {t} and travel for {d}. When do I arrive?",
    "What's the time {d} past {t}?", "{d} from {t}, what time is it?", "What time do I get if I add {d} to {t}?",
    "A meeting begins at {t} and goes on for {d}. When does it finish?",
    "Cake goes in at {t} and bakes for {d}. When is it done?",
)  # fmt: skip
BETWEEN = (
    "How long is it from {a} to {b}?", "How much time is between {a} and {b}?",
    "How much time passes from {a} to {b}?", "What is the time difference between {a} and {b}?",
    "How long is it between {a} and {b}?", "Time from {a} to {b}?",
    "A film starts at {a} and ends at {b}. How long is it?",
    "The train leaves at {a} and arrives at {b}. How long does it take?", "From {a} to {b}, how long is that?",
    "How many hours and minutes are between {a} and {b}?", "I work from {a} to {b}. How long is that?",
    "How many hours and minutes from {a} until {b}?", "It is {a}. How long until {b}?",
    "What is the duration from {a} to {b}?", "How long does a class take from {a} to {b}?",
    "Find the time between {a} and {b}.", "{a} to {b}, how long?", "How long until {b} if it is {a}?",
    "Calculate the time from {a} to {b}.", "The shop is open from {a} to {b}. How long is that?",
)  # fmt: skip
TO_24 = (
    "Write {t} in 24-hour time.", "Convert {t} to 24-hour time.", "What is {t} in 24-hour time?",
    "What is {t} in 24 hour format?", "{t} in 24-hour format", "Convert {t} to 24h.",
    "Convert {t} to the 24-hour clock.", "How do you write {t} on a 24-hour clock?", "{t} in 24h",
    "What is {t} on the 24-hour clock?", "Express {t} in 24-hour format.", "Change {t} to 24-hour time.",
    "{t} to 24 hour time", "Give {t} in 24-hour form.", "What's {t} in military time?",
    "Convert {t} to military time.",
)  # fmt: skip
TO_12 = (
    "Write {t} in 12-hour time.", "Convert {t} to 12-hour time.", "What is {t} in 12-hour time?",
    "What is {t} in 12 hour format?", "{t} in 12-hour format", "Convert {t} to 12h.",
    "Convert {t} to the 12-hour clock.", "How do you write {t} with am or pm?", "{t} in am/pm",
    "What is {t} on the 12-hour clock?", "Express {t} in 12-hour format.", "Change {t} to 12-hour time.",
    "{t} to 12 hour time", "Give {t} in am or pm.", "What is {t} in am/pm?", "Convert {t} to am/pm.",
)  # fmt: skip


def clock(hour: int, minute: int) -> str:
    """24-hour form with two digits each."""
    return f"{hour:02d}:{minute:02d}"


def duration(hours: int, minutes: int) -> str:
    """``"2 hours 5 minutes"``; a zero part is left out unless both are zero."""
    parts = []
    if hours:
        parts.append(f"{hours} hour{'s' * (hours != 1)}")
    if minutes or not hours:
        parts.append(f"{minutes} minute{'s' * (minutes != 1)}")
    return " ".join(parts)


class Clock:
    """Times of day in 24-hour form, and 12-hour form with am and pm."""

    name = "clock"
    description = "a time plus up to 9 hours 59 minutes, the time between two times of a day, 12-hour and 24-hour form"
    levels = 3

    def sample(self, rng: random.Random, level: int) -> Problem:
        """1: 12-hour and 24-hour form; 2: adding minutes or hours; 3: adding both, and differences."""
        if level == 1 or rng.random() < 0.15:
            return self.convert(rng, level)
        return self.after(rng, level) if level == 2 or rng.random() < 0.5 else self.between(rng, level)

    @staticmethod
    def shown(rng: random.Random, hour: int, minute: int) -> str:
        """The time as typed: mostly with two digits for the hour."""
        return clock(hour, minute) if rng.random() < 0.7 else f"{hour}:{minute:02d}"

    def after(self, rng: random.Random, level: int) -> Problem:
        """A time plus a duration, around midnight if need be."""
        hour, minute = rng.randint(0, 23), rng.choice((rng.randint(0, 59), 5 * rng.randint(0, 11)))
        hours = 0 if level == 2 else rng.randint(1, 9)
        minutes = rng.choice((rng.randint(1, 59), 5 * rng.randint(1, 11)))
        if level == 2 and rng.random() < 0.3:
            hours, minutes = rng.randint(1, 9), 0
        spoken = duration(hours, minutes)
        if hours and minutes and rng.random() < 0.6:
            spoken = spoken.replace(" minute", " minute").replace("hour ", "hour and ").replace("hours ", "hours and ")
        if rng.random() < 0.25:
            spoken = (
                spoken.replace("minutes", "min").replace("minute", "min").replace("hours", "h").replace("hour", "h")
            )
        lines = [f"{clock(hour, minute)} and {hours} h {minutes} min.", *add_steps((minute, minutes))]
        carry, end_minute = divmod(minute + minutes, 60)
        if carry:
            lines.append(f"{minute + minutes} - 60 = {end_minute}, carry 1.")
        total = hour + hours + carry
        lines.append(f"Hours: {hour} + {hours}" + (f" + {carry}" if carry else "") + f" = {total}.")
        if total >= 24:
            lines.append(f"{total} - 24 = {total - 24}.")
        result = clock(total % 24, end_minute)
        prompt = dress(rng, rng.choice(AFTER).format(t=self.shown(rng, hour, minute), d=spoken))
        key = f"after:{hour}:{minute}:{60 * hours + minutes}"
        return Problem(self.name, key, prompt, "\n".join(lines), f"It will be {result}.", result, level)

    def between(self, rng: random.Random, level: int) -> Problem:
        """From one time to a later one of the same day: to the full hour, whole hours, and the rest."""
        start, end = sorted(rng.sample(range(24 * 60), 2))
        if rng.random() < 0.4:
            start, end = start - start % 5, end - end % 5 + 5 * (start // 5 == end // 5)
            end = min(end, 24 * 60 - 1)
        (hour, minute), (end_hour, end_minute) = divmod(start, 60), divmod(end, 60)
        lines = [f"{clock(hour, minute)} to {clock(end_hour, end_minute)}."]
        if end_minute >= minute:
            lines.append(f"Minutes: {end_minute} - {minute} = {end_minute - minute}.")
            lines.append(f"Hours: {end_hour} - {hour} = {end_hour - hour}.")
        else:
            rest = 60 - minute
            lines.append(f"{end_minute} < {minute}, borrow 1 hour.")
            lines.append(f"Minutes: 60 - {minute} = {rest}, {rest} + {end_minute} = {rest + end_minute}.")
            lines.append(f"Hours: {end_hour} - 1 = {end_hour - 1}, {end_hour - 1} - {hour} = {end_hour - 1 - hour}.")
        result = duration(*divmod(end - start, 60))
        a, b = self.shown(rng, hour, minute), self.shown(rng, end_hour, end_minute)
        prompt = dress(rng, rng.choice(BETWEEN).format(a=a, b=b))
        return Problem(
            self.name, f"between:{start}:{end}", prompt, "\n".join(lines), f"It takes {result}.", result, level
        )

    def convert(self, rng: random.Random, level: int) -> Problem:
        """Between 12-hour and 24-hour form."""
        hour, minute = rng.randint(0, 23), rng.choice((rng.randint(0, 59), 5 * rng.randint(0, 11)))
        half = "am" if hour < 12 else "pm"
        short = hour % 12 or 12
        if rng.random() < 0.5:
            spoken = f"{short}:{minute:02d}{rng.choice((' ', ' ', ''))}{rng.choice((half, half, half.upper()))}"
            if minute == 0 and rng.random() < 0.3:
                spoken = f"{short} {half}"
            if short == 12:
                step = f"12 {half}: the hour is {hour}."
            else:
                step = f"pm: {short} + 12 = {hour}." if half == "pm" else f"am: the hour stays {hour}."
            result = clock(hour, minute)
            prompt, answer = rng.choice(TO_24).format(t=spoken), f"{short}:{minute:02d} {half} is {result}."
        else:
            if short == 12:
                step = f"Hour {hour}: 12 {half}."
            else:
                step = (
                    f"{hour} > 12, so pm: {hour} - 12 = {short}."
                    if hour > 12
                    else f"{hour} < 12, so am: the hour stays {hour}."
                )
            result = f"{short}:{minute:02d} {half}"
            prompt, answer = (
                rng.choice(TO_12).format(t=self.shown(rng, hour, minute)),
                f"{clock(hour, minute)} is {result}.",
            )
        return Problem(self.name, f"clock:{hour}:{minute}", dress(rng, prompt), step, answer, result, level)

    def check(self, problem: Problem, answer: str) -> bool:
        """The last time (with am or pm), or the hours and minutes, are the result's."""
        said = answer.lower()
        if ":" in problem.result:
            times = re.findall(r"\b0?(\d{1,2}:\d\d)(?:\s*([ap])\.?m)?", said)
            wanted = re.match(r"0?(\d{1,2}:\d\d)(?: ([ap])m)?", problem.result)
            return bool(times) and wanted is not None and times[-1] == (wanted[1], wanted[2] or "")
        spans = re.findall(r"(\d+)\s*(h|m)", said)
        return spans == re.findall(r"(\d+)\s*(h|m)", problem.result)
