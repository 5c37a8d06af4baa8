"""Which paths are shown, and that nothing outside of them is inside."""

from trainvitals.samples import sample_logs
from trainvitals_app.serving.roots import find_roots


def test_given_paths_are_taken_as_they_are_and_once(tmp_path):
    roots = find_roots(["a", "b", "a", str(tmp_path / "b")], tmp_path)
    assert roots.paths == (tmp_path / "a", tmp_path / "b")
    assert roots.origin == "given"


def test_without_arguments_the_usual_folders_are_shown_that_are_there(tmp_path):
    for name in ("logs", "runs", "data"):
        (tmp_path / name).mkdir()
    roots = find_roots([], tmp_path)
    assert roots.paths == (tmp_path / "runs", tmp_path / "logs")
    assert roots.origin == "usual"


def test_where_there_is_none_of_them_the_samples_are_shown(tmp_path):
    roots = find_roots([], tmp_path)
    assert roots.paths == (sample_logs(),)
    assert roots.origin == "samples"


def test_what_links_and_dots_lead_out_of_a_root_is_not_inside(tmp_path):
    root, outside = tmp_path / "root", tmp_path / "root-beside"
    (root / "run").mkdir(parents=True)
    outside.mkdir()
    (outside / "secret").write_text("")
    (root / "linked").symlink_to(outside)
    (root / "around").symlink_to(root / "around")
    roots = find_roots(["root"], tmp_path)
    assert roots.hold(root)
    assert roots.hold(root / "run")
    assert not roots.hold(root / "linked" / "secret")
    assert not roots.hold(root / ".." / "root-beside")
    assert not roots.hold(root / "around")
    assert not roots.hold(root / "missing")


def test_a_root_that_is_itself_a_link_holds_what_it_leads_to(tmp_path):
    (tmp_path / "real" / "run").mkdir(parents=True)
    (tmp_path / "root").symlink_to(tmp_path / "real")
    assert find_roots(["root"], tmp_path).hold(tmp_path / "root" / "run")


def test_a_root_that_becomes_a_link_later_leads_nowhere(tmp_path):
    (tmp_path / "outside").mkdir()
    roots = find_roots(["root"], tmp_path)
    (tmp_path / "root").symlink_to(tmp_path / "outside")
    assert not roots.hold(tmp_path / "root")


def test_the_root_of_all_holds_everything(tmp_path):
    assert find_roots(["/"], tmp_path).hold(tmp_path)
