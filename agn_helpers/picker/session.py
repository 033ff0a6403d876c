"""A view of the picker as lines of Python that make it again."""

from os import PathLike


def describe_files(files):
    """Paths as strings; of uploaded files their names."""
    return str(files) if isinstance(files, str | PathLike) else [str(file) for file in files]


def write_code(picker):
    """Code of what the picker shows: what was opened, added, selected, picked, changed, explained."""
    state = picker.state
    lines = ["from agn_helpers import SpectrumPicker", "", _write_opening(picker)]
    lines += [_write_call("add_spectra", files, redshift=redshift) for files, redshift in picker.added]
    if len(state.selection):
        lines.append(_write_call("select", [str(name) for name in state.name[state.selection]]))
    arranged = {"order": state.order, "keep": state.keep}
    arranged = {key: value for key, value in arranged.items() if value not in ("as in the file", "all")}
    if arranged:
        lines.append(_write_call("arrange", **arranged))
    if not state.shows_selection:
        lines.append(_write_call("pick", str(state.name[state.row])))
    if not state.change.is_nothing:
        changes = {key: value for key, value in vars(state.change).items()}
        lines.append(_write_call("what_if", **changes))
    if state.concept is not None:
        lines.append(_write_call("try_concept", *state.concept))
    if state.lines:
        lines.append(_write_call("mark_lines", list(state.lines)))
    if state.trial_redshift is not None:
        lines.append(_write_call("try_redshift", float(state.trial_redshift)))
    explained = {
        key: value
        for key, value, usual in (
            ("method", state.method, "gradient"),
            ("target", state.target, None),
            ("of", state.of, "log_p"),
            ("smooth", state.smooth, None),
            ("fade", state.fade, False),
        )
        if value != usual
    }
    if explained:
        lines.append(_write_call("explain", **explained))
    return "\n".join([*lines, "picker"])


def _write_opening(picker):
    if picker.run is None:
        return "picker = SpectrumPicker(sample, model, spectrum_map, split=split)"
    run, root = picker.run
    where = "" if root is None else f", root={str(root)!r}"
    return f"picker = SpectrumPicker.open_run({run!r}{where})"


def _write_call(method, *values, **options):
    words = [repr(value) for value in values]
    words += [f"{key}={value!r}" for key, value in options.items() if value is not None]
    return f"picker.{method}({', '.join(words)})"
