"""The page of the metric Space: what it reads, what it shows, and that it works in a browser from a checkout and alone."""

import doctest
import json
import math
import random
import re
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from aloe_hub.hub.metric_space import metric_files
from aloe_hub.scoring import score
from tests.spaces.conftest import violations
from tests.spaces.demo_server import app_process, load

pytest.importorskip("gradio")

ROOT = Path(__file__).parents[2]
SPACE = ROOT / "spaces" / "aloe"
SCALE = (1.0, 5.0)
# The package is installed beside the tests; None in sys.modules makes every import of it fail.
ALONE = "import sys; sys.modules['aloe_hub'] = None; import runpy; runpy.run_path('app.py', run_name='__main__')"


app, columns, reading, showing = load("app", "columns", "reading", "showing", folder=SPACE)


def read(text):
    return reading.read(text, SCALE)


scores = st.one_of(st.none(), st.floats(*SCALE), st.integers(1, 5).map(float))


@st.composite
def matrices(draw):
    turns = draw(st.integers(1, 6))
    return draw(st.lists(st.lists(scores, min_size=turns, max_size=turns), min_size=1, max_size=6))


@given(matrices(), st.sampled_from([None, 0, 2]), st.sampled_from(["\n", "\r\n"]))
def test_json_and_what_python_prints_are_read_back(matrix, indent, newline):
    rows = [[math.nan if cell is None else cell for cell in row] for row in matrix]
    for text in (json.dumps(matrix, indent=indent), json.dumps(rows), repr(matrix), repr(rows)):
        assert read(text.replace("\n", newline)) == reading.Scores(matrix, None)


@given(matrices(), st.data())
def test_json_lines_are_read_back_with_their_cluster_ids(matrix, data):
    ids = data.draw(st.lists(st.text(min_size=1), min_size=len(matrix), max_size=len(matrix)))
    rows = [{"conversation_id": "c", "profile_id": name, "scores": row} for name, row in zip(ids, matrix, strict=True)]
    assert read("\n".join(json.dumps(row) for row in rows) + "\n") == reading.Scores(matrix, ids)
    assert read(json.dumps(rows, indent=1)) == reading.Scores(matrix, ids)
    assert read("\n".join(json.dumps(row) for row in matrix)) == reading.Scores(matrix, None)


@given(
    matrices(),
    st.sampled_from(["\t", ";", ",", ", ", " ", "   "]),
    st.sampled_from(["none", "None", "nan", "NULL", ""]),
    st.booleans(),
)
def test_text_is_read_back_whatever_separates_the_scores(matrix, separator, missing, header):
    if not separator.strip(" ") or len(matrix[0]) == 1:
        missing = missing or "nan"  # nothing between two spaces is nothing
    lines = [separator.join(missing if cell is None else repr(cell) for cell in row) for row in matrix]
    if header:
        lines.insert(0, separator.join(f"turn{turn}" for turn in range(len(matrix[0]))))
    assert read("\n".join(lines)) == reading.Scores(matrix, None)


@given(matrices(), st.data())
def test_one_bad_value_is_named_with_its_conversation_line_and_turn(matrix, data):
    row = data.draw(st.integers(0, len(matrix) - 1))
    turn = data.draw(st.integers(0, len(matrix[0]) - 1))
    bad = data.draw(st.sampled_from([0, 5.5, -3, True, "4", "4/5", "x", [3]]))
    assume(bad != [3] or len(matrix) > 1)  # alone on its line, [[3], null] is a matrix of its own
    matrix[row][turn] = bad
    what = rf", turn {turn + 1}: {re.escape(repr(bad))} is (not a number|outside the scale 1 to 5)$"
    lines = [json.dumps(line) for line in matrix]
    with pytest.raises(columns.Unreadable, match=rf"^conversation {row + 1}( \(line 1\))?{what}"):
        read("[" + ",\n".join(lines) + "]")
    with pytest.raises(columns.Unreadable, match=rf"^conversation {row + 1} \(line {row + 1}\){what}"):
        read("\n".join(lines))


@given(st.one_of(st.text(), st.text(alphabet='[]{},;:\t\r\n "\\.-+0123456789eEnaNoulIfity', max_size=60)))
def test_any_text_at_all_is_read_or_refused_in_one_short_line(text):
    try:
        found = read(text)
    except columns.Unreadable as error:
        message = str(error)
        assert "\n" not in message
        assert len(message) < 200
    else:
        assert len({len(row) for row in found.conversations}) == 1
        assert all(cell is None or 1 <= cell <= 5 for row in found.conversations for cell in row)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "there are no scores yet"),
        ("[]", "there are no scores yet"),
        ("t1, t2", "conversation 1 (line 1), turn 1: 't1' is not a number"),
        ("1 2\n\n3 4/5", "conversation 2 (line 3), turn 2: '4/5' is not a number"),
        ("1 2\n3 9", "conversation 2 (line 2), turn 2: 9 is outside the scale 1 to 5"),
        ("1 2 nan\n1 , 4", "conversation 1 (line 1), turn 1: '1 2 nan' is not a number"),
        ("1,5;2,5\n3;4", "conversation 1 (line 1), turn 1: '1,5' is not a number"),
        ("1 2\n3", "conversation 2 (line 2) has 1 score, conversation 1 has 2 scores"),
        ("inf", "'inf' is not a number"),
        ("1_0", "'1_0' is not a number"),
        ("４", "'４' is not a number"),
        ("1e999", "is outside the scale"),
        ("[[1, 2],\n [3, 4/5]]", "line 2: this is not JSON: '[3, 4/5]]'"),
        ("[[1, 2],\n [3, 4]", "line 2: the JSON ends too early, a bracket is not closed"),
        ("[1, 2], [3, 4]", "line 1 holds more than one conversation"),
        ("[1, 2]\n[3, x]", "line 2: this is not JSON"),
        ("[[1, 2], 3]", "conversation 2: 3 is not a list of scores"),
        ('{"score": [1]}', "line 1 has no 'scores'"),
        ('{"scores": [1], "profile_id": "a"}\n{"scores": [2]}', "conversation 2 (line 2) has no profile_id, others have one"),
        ('{"scores": [1], "profile_id": [2]}', "profile_id [2] is not a text"),
        ("profile_id, t1\ncook, 1\n, 2", "conversation 2 (line 3) has no profile_id"),
        ("a,b\n1,2\n3,4", "line 1 names no turns: 'a, b'; call the columns t1, t2, … where"),
        ("t1,score\n1,2", "the first line names 'score' and 't1': is a line a score or a conversation?"),
        ("conversation,turn,rating,score\na,1,2,3", "columns 'score' and 'rating' both"),
        ("profile_id,user_id,t1\na,b,2", "columns 'profile_id' and 'user_id' both say what belongs together"),
        ("t1,t3\n1,2", "turn 3 comes without turn 2: turns are counted 1, 2, 3"),
        ("t1,turn 1\n1,2", "turn 1 is there twice"),
        ("t1,t1\n1,2", "names 't1' twice"),
        ("conversation,turn,score\na,1,2\na,one,2", "line 3: the turn 'one' is not a whole number"),
        ("conversation,turn,score\na,1,2\na,1,3", "line 3: conversation 'a' has two scores of turn 1, the other in line 2"),
        ("turn,score\n1,2\n1,3", "line 3: without a column conversation there are two scores of turn 1"),
        ("talk,turn,score\na,1,2\nb,1,3", "the other in line 2; the columns are 'talk, turn, score'"),
        (
            "User ID,turn,score\na,1,2\na,1,3",
            "two scores of turn 1, the other in line 2, for User ID 'a'; the columns are 'User ID, ",
        ),
        ("User-ID,turn,score\na,1,2\nb,2,3", "'User-ID' differs in every line"),
        ("user_id,turn,score\n,1,2", "line 2: user_id is empty"),
        ("Conversation ID,turn,points\na,1,2", "line 1 names 'turn', but no score: 'Conversation ID, turn, points'; call"),
        ("conversation id,Conversation_ID,t1\na,b,2", "names 'Conversation_ID' twice"),
        ("conversation,turn,score\n,1,2", "line 2: conversation is empty"),
        ("id,turn,score\n1,1,2\n2,2,2", "'id' differs in every line"),
        ("conversation,turn,score\na,1,2\na,2,9", "conversation 1 (line 3), turn 2: 9 is outside the scale"),
        ("conversation,turn,score,profile_id\na,1,2,x\na,2,2,y", "line 3: conversation 'a' has other ids than in line 2"),
        ("1,1,4\n1,2,3\n2,1,4\n2,2,5", "the first two columns look like a conversation and a turn: name them"),
        ('[{"id": 1, "t1": 4}, {"id": 2, "t2": 4}]', "record 2 has not the names of the first one"),
        ("profile_id, t1\ncook, 1, 2", "line 2 has 3 columns, the first line names 2"),
        ("[" * 100_000, "line 1: brackets within brackets without end"),
        ("[" * 900 + "]" * 900, "is not a number"),
        ("[1" + "0" * 5000 + "]", "is outside the scale"),
        ("[1" + "0" * 400 + "]", "is outside the scale"),
        ("1 " * 1_000_001, "2,000,002 characters are too many for this page"),
    ],
)
def test_what_cannot_be_read_says_where_and_what(text, message):
    with pytest.raises(columns.Unreadable) as caught:
        read(text)
    assert message in str(caught.value)


def test_hostile_text_of_the_longest_length_is_refused_at_once():
    for text in ('["' + '\\"' * 900_000, "[" + '"' * 1_900_000, "[" + "nan " * 400_000, "," * 1_900_000):
        start = time.process_time()
        with pytest.raises(ValueError, match=r"."):
            app.evaluated(text, 1, 5, 0.95, 1000, 0)
        assert time.process_time() - start < 10  # it takes a second; quadratic work would take hours


def test_a_file_that_aloe_wrote_is_read_by_columns_and_by_lines():
    lines = '{"conversation_id": "a", "persona_id": "b", "profile_id": "cook", "scores": [2, null, 3]}\n'
    table = "conversation_id,persona_id,profile_id,t1,t2,t3\na,b,cook,2,,3\n"
    assert read(lines) == read(table) == reading.Scores([[2, None, 3]], ["cook"])


LONG = """\
id,note,Conversation,turn,score,profile_id
1,"loud, then quiet",b,2,5,"cook, tall"
2,,a,2,none,nurse
3,"says ""hm""; twice
over two lines",b,1,4,"cook, tall"
4,,a,1,2,nurse
"""


@pytest.mark.parametrize(
    ("text", "found", "form"),
    [
        (
            LONG,
            reading.Scores([[4, 5], [2, None]], ["cook, tall", "nurse"]),
            "a long table with a score a line: conversations in Conversation, profiles in profile_id, turns in turn, "
            "scores in score; left out: id, note",
        ),
        *(
            (
                f"{name},{turn},Score\na,1,2\na,2,3\nb,1,4\nb,2,5",
                reading.Scores([[2, 3], [4, 5]], None),
                f"conversations in {name}, ",
            )
            for name, turn in zip(
                ("Conversation ID", "conversation-id", "conversationid", "Dialogue_ID", "chat", "Session Id", "thread"),
                ("turn_number", "Turn Index", "step", "TURN", "turn-no", "round", "Step_Number"),
                strict=True,
            )
        ),
        (
            "user_id,turn,score\na,1,2\na,2,3\nb,1,4\nb,2,5",
            reading.Scores([[2, 3], [4, 5]], ["a", "b"]),
            "a long table with a score a line: one conversation of each user_id, profiles in user_id, turns in turn",
        ),
        (
            "profile,personality,turn,score\na,x,1,2\na,x,2,3\na,y,1,4\na,y,2,5",
            reading.Scores([[2, 3], [4, 5]], ["a", "a"], ["x", "y"]),
            "one conversation of each profile and personality, profiles in profile",
        ),
        ("turn;score\n1;2\n2;3", reading.Scores([[2, 3]], None), "with a score a line: turns in turn, scores in score"),
        ("chat_id,turn,score\nx,0,2\nx,1,3\ny,0,4", reading.Scores([[2, 3], [4, None]], None), "a long table"),
        (
            "id,t1,t2\n1,4,5\n2,3,3",
            reading.Scores([[4, 5], [3, 3]], None),
            "a table with a conversation a line: conversations in id, its turns in t1 to t2",
        ),
        ("conversation 1 2\na 4 5\nb 3 3", reading.Scores([[4, 5], [3, 3]], None), "its turns in 1 to 2"),
        (
            ",personality,seed,turn_10,turn_2,turn_1,turn_3,turn_4,turn_5,turn_6,turn_7,turn_8,turn_9\n0,shy,3,5,2,1,3,3,3,3,3,3,4\n",
            reading.Scores([[1, 2, 3, 3, 3, 3, 3, 3, 4, 5]], None, ["shy"]),
            "personalities in personality, its turns in turn_1 to turn_10; left out: a column without a name, seed",
        ),
        (
            '{"conversation": 7, "turn": 1, "score": 4}\n{"turn": 2, "score": 5, "conversation": 7}',
            reading.Scores([[4, 5]], None),
            "JSON, a long table",
        ),
        ('[{"id": 3, "t1": 4, "t2": null}]', reading.Scores([[4, None]], None), "JSON, a table with a conversation a line"),
        ("4 5\n3 3", reading.Scores([[4, 5], [3, 3]], None), "without a line of names: every number is a score"),
    ],
)
def test_the_header_says_what_a_column_is_and_ids_and_turns_are_never_scores(text, found, form):
    assert read(text) == found
    assert form in read(text).form


def test_a_counter_without_a_name_is_pointed_at_before_anything_is_scored():
    for text in ("1 4 5\n2 3 3\n3 4 4", "3,1,2,4\n1,2,3,4\n2,4,4,4", "1,2,3\n3,4,4\n1,2,2\n2,5,5"):
        assert "The first column numbers the lines" in app.understood(text, 1, 5)
    for text in ("2 4 5\n2 3 3\n3 4 4", "1 4 5\n2 3 3", "1 4 5\n3 3 3\n5 4 4", "1.5 4\n2 3\n3 4"):
        assert "numbers the lines" not in app.understood(text, 1, 5)
    assert "look like a conversation and a turn: if they are" in app.understood("1,1,4\n2,1,3\n2,2,4\n2,3,5", 1, 5)
    assert app.understood("", 1, 5) == app.understood("1 2", None, 5) == ""
    assert "Not understood:</b> conversation 1 (line 1), turn 2: &#x27;&lt;b&gt;&#x27;" in app.understood("2 <b>", 1, 5)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1,2,3,4\n4,3,4,5\n2,3,3,5", [[4, 3, 4, 5], [2, 3, 3, 5]]),
        ("0 1 2\n4 3 4", [[4, 3, 4]]),
        (" ".join(map(str, range(1, 11))) + "\n" + "3 " * 10, [[3] * 10]),
        (",0,1\n0,4,3\n1,2,3", [[4, 3], [2, 3]]),  # as pandas writes a table that has no names
    ],
)
def test_a_first_line_of_turn_numbers_is_a_header_and_that_is_said(text, found):
    assert read(text) == reading.Scores(found, None)
    assert reading.COUNTED.split("(")[0] in app.understood(text, 1, 5)


@pytest.mark.parametrize("text", ["1,2,3,4", "1,2,4\n3,3,3", "4,3,2\n1,2,3", "1.0,2.0,3.0\n3,3,3", "2,3,4\n3,3,3", "1,2\n3,4"])
def test_other_first_lines_of_numbers_are_scored_and_a_doubtful_one_is_told(text):
    assert len(read(text).conversations) == len(text.split("\n"))
    assert (read(text).doubt == reading.COUNTING) == (text == "1,2\n3,4")


def test_a_first_line_below_zero_is_no_header():
    assert reading.read("-3,2,1\n.5,1,1", (-3, 3)).conversations == [[-3, 2, 1], [0.5, 1, 1]]


@pytest.mark.parametrize(("rows", "most"), [(range(3, 6), 0.06), (range(6, 40), 0.01)])
def test_random_scores_are_rarely_doubted_and_never_refused(rows, most):
    chance, doubted, tables = random.Random(0), 0, 2000
    for _ in range(tables):
        turns, lines = chance.randint(2, 12), chance.choice(rows)
        doubted += bool(read("\n".join(",".join(str(chance.randint(1, 5)) for _ in range(turns)) for _ in range(lines))).doubt)
    assert 0 < doubted < most * tables


def test_the_page_shows_what_the_metric_returns():
    text = app.SIX_CONVERSATIONS
    found = read(text)
    expected = score(found.conversations, cluster_ids=found.cluster_ids, confidence=0.9, n_resamples=300, seed=7).to_dict()
    shown = app.evaluated(text, 1, 5, 0.9, 300, 7)
    for name in ("avg", "ir", "n_ir", "r2"):
        assert (
            f"<td>{expected[name]:.3f}</td><td>{expected[name + '_ci'][0]:.3f} to {expected[name + '_ci'][1]:.3f}</td>" in shown
        )
    for turn, (al, (low, high), count) in enumerate(zip(expected["al"], expected["al_ci"], expected["n"], strict=True), 1):
        assert f"{turn}</th><td>{al:.3f}</td><td>{low:.3f} to {high:.3f}</td><td>{count}</td>" in shown
    assert "6 conversations of 8 turns in 3 clusters; 2 of 48 scores missing." in shown
    assert 'role="img" aria-label="Curve of AL(k) over 8 turns: 2.167 at turn 1, ' in shown


def test_the_second_example_is_the_published_curve():
    shown = app.evaluated(*app.EXAMPLES["curve of RLPA"], 0.95, 0, 0)
    for value in ("73.378", "0.090", "0.855"):
        assert f"<td>{value}</td>" in shown


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("4 4 4\n4 4 4", "The curve is constant: N-IR and R² are undefined."),
        ("4\n3", "IR, N-IR and R² need two turns with a score"),
        ("nan nan\nnan nan", "Every score is missing"),
        ("1 2 3", "One cluster alone: the intervals have no width and say nothing."),
        ("1 nan 3\n2 nan 4", "Curve of AL(k) over 3 turns: 1.500 at turn 1, – at turn 2"),
        ("4 4 4\n1 2 3", "Resamples without a value, left out of the interval: N-IR "),
    ],
)
def test_what_is_undefined_is_a_dash_on_the_page(text, note):
    shown = app.evaluated(text, 1, 5, 0.95, 400, 0)
    assert note in shown
    assert "nan" not in shown.lower()
    if "undefined" in note:
        assert "</th><td>–</td><td>–</td></tr>" in shown


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ((None, 5, 0.95, 10, 0), "the lowest score is empty"),
        ((5, 1, 0.95, 10, 0), "the lowest score 5 is not below the highest score 1"),
        ((-1e308, 1e308, 0.95, 10, 0), "too wide"),
        ((1, 5, 95, 10, 0), "the confidence 95 is not between 0 and 1"),
        ((1, 5, 0.95, 10.5, 0), "the number of resamples 10.5 is not a whole number from 0 to 10,000"),
        ((1, 5, 0.95, 10, -1), "the seed -1 is not a whole number"),
        ((1, 5, 0.95, 10, math.nan), "the seed nan is not a whole number"),
        ((1, 5, 0.95, math.inf, 0.5), "the number of resamples inf is not a whole number"),
        ((1, 5, 0.95, 10, 1e9 + 0.5), "the seed 1e+09 is not a whole number"),
        ((1, 5, 0.95, 10, 0), "conversation 1 (line 1), turn 2: &#x27;&lt;b&gt;&#x27; is not a number"),
    ],
)
def test_bad_settings_are_one_line_and_hide_an_old_result(settings, message):
    problem, result = app.pressed("2 <b>", *settings)
    assert message in problem
    assert 'role="alert"' in problem
    assert result == app.NOTHING_YET


def test_what_would_take_the_page_minutes_is_refused():
    with pytest.raises(columns.Unreadable, match="201 turns are too many"):
        app.evaluated("3 " * 201, 1, 5, 0.95, 10, 0)
    with pytest.raises(columns.Unreadable, match="with 10,000 conversations this page takes 5,000 resamples at most"):
        app.evaluated("3 4\n" * 10_000, 1, 5, 0.95, 10_000, 0)


def test_a_file_that_is_no_text_leaves_the_box_as_it_was(tmp_path):
    sheet, long = tmp_path / "scores.csv", tmp_path / "long.csv"
    sheet.write_bytes("1,2".encode("utf-16"))
    long.write_text("3\n" * 1_000_001)
    for path, message in ((sheet, "scores.csv is not a UTF-8 text file (byte 1)"), (long, "characters are too many")):
        box, problem = app.filled(str(path))
        assert "value" not in box
        assert message in problem
    sheet.write_bytes("1,2".encode("utf-8-sig"))
    assert app.filled(str(sheet)) == ("1,2", "")


def test_the_examples_in_the_docstrings_are_true():
    for module in (columns, reading, showing):
        assert doctest.testmod(module).failed == 0
        assert doctest.testmod(module).attempted


@pytest.fixture(scope="module", params=["checkout", pytest.param("alone", marks=pytest.mark.torture)])
def url(request, tmp_path_factory):
    """The address of the app, started from the checkout, or as on the Hub: with scoring.py beside it and without aloe_hub."""
    scratch, folder, command = tmp_path_factory.mktemp("space"), SPACE, [sys.executable, "app.py"]
    if request.param == "alone":
        folder, command = scratch / "aloe", [sys.executable, "-c", ALONE]
        folder.mkdir()
        for name, content in metric_files().items():
            (folder / name).write_bytes(content)
    with app_process(command, folder, scratch, GRADIO_ANALYTICS_ENABLED="False") as served:
        yield served.url


def test_the_app_starts_and_serves_its_page(url):
    with urllib.request.urlopen(url, timeout=30) as answer:
        assert "ALOE: alignment within a conversation" in answer.read().decode()


@pytest.fixture
def tab(browser, url):
    """The page in a browser as wide as a phone. It may ask nobody but the app."""
    context = browser.new_context(viewport={"width": 390, "height": 800}, color_scheme="dark")
    page = context.new_page()
    page.set_default_timeout(30_000)
    asked, broken = set(), []
    page.on("request", lambda request: asked.add(request.url))
    page.on("pageerror", lambda error: broken.append(str(error)))
    page.goto(url, wait_until="domcontentloaded")
    page.get_by_role("button", name="Compute the curve").wait_for()
    yield page
    assert [address for address in asked if not address.startswith((url, "data:", "blob:"))] == []
    assert broken == []
    context.close()


def test_a_person_pastes_scores_and_sees_curve_numbers_and_errors(tab, tmp_path):
    compute = tab.get_by_role("button", name="Compute the curve")
    box = tab.get_by_label("Scores, one conversation a line")

    compute.click()  # the example that is there
    tab.get_by_role("img", name="Curve of AL(k) over 8 turns: 2.167 at turn 1").wait_for()
    assert tab.get_by_role("row", name="AVG").inner_text().split()[-4:] == ["3.538", "3.250", "to", "3.812"]

    box.fill("id,t1,t2\n1,2,3\n2,3,4")  # the old result goes at once, and nothing is computed before it is asked for
    tab.get_by_text("The curve and its numbers appear here.").wait_for()
    tab.get_by_role("status").get_by_text("conversations in id, its turns in t1 to t2. 2 x 2 scores").wait_for()
    assert not tab.locator("#result svg").count()

    box.fill("2 3 3 4\n2 3 nan 4/5")
    compute.click()
    tab.get_by_role("alert").get_by_text("conversation 2 (line 2), turn 4: '4/5' is not a number").wait_for()
    assert not tab.locator("#result svg").count()

    box.fill("2 3 3 4\n3 3 nan 5\n1 3 4 4")
    compute.press("Enter")
    tab.get_by_role("img", name="Curve of AL(k) over 4 turns: 2.000 at turn 1, 3.000 at turn 2").wait_for()
    assert not tab.get_by_role("alert").count()
    assert tab.get_by_role("row", name="IR change").inner_text().split()[-4] == "0.750"
    assert tab.get_by_text("3 conversations of 4 turns; 1 of 12 scores missing.").is_visible()
    tab.get_by_text("AL(k) turn by turn").click()
    assert tab.locator(".turns tbody tr").count() == 4
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")

    file = tmp_path / "tailored.jsonl"
    file.write_text('{"profile_id": "cook", "scores": [1, 2]}\n{"profile_id": "nurse", "scores": [2, 4]}\n')
    tab.locator("input[type=file]").set_input_files(file)
    tab.wait_for_function("[...document.querySelectorAll('textarea')].some(box => box.value.includes('nurse'))")
    compute.click()
    tab.get_by_text("2 conversations of 2 turns in 2 clusters").wait_for()

    tab.get_by_role("button", name="Example: curve of RLPA").click()
    tab.wait_for_function("[...document.querySelectorAll('textarea')].some(box => box.value.includes('62.16'))")
    assert tab.get_by_label("Highest score").input_value() == "100"
    compute.click()
    tab.get_by_role("row", name="N-IR").get_by_text("0.090").first.wait_for()


def test_an_answer_to_an_earlier_input_is_dropped(tab):
    compute = tab.get_by_role("button", name="Compute the curve")
    compute.click()
    tab.get_by_text("6 conversations of 8 turns").wait_for()
    tab.get_by_label("Scores, one conversation a line").fill("\n".join(["2 3 3 4", "3 3 4 5", "1 3 4 4"] * 100))
    tab.get_by_role("status").get_by_text("300 x 4 scores").wait_for()
    tab.get_by_label("Resamples").fill("10000")
    tab.get_by_label("Seed").focus()
    before = tab.evaluate("""async () => {  // in one go: a step of this test may take as long as the computing
        const box = document.getElementById("result"), seed = document.activeElement;
        [...document.querySelectorAll("button")].find(one => one.innerText == "Compute the curve").click();
        await new Promise(done => setTimeout(done, 60));
        const before = box.innerText;
        seed.value = "5";
        seed.dispatchEvent(new Event("input", {bubbles: true}));
        window.seen = [];
        const look = () => seen.push(box.innerText.match(/\\d+ conversations/)?.[0]);
        new MutationObserver(look).observe(box, {childList: true, subtree: true});
        return before;
    }""")
    assert "conversations" not in before
    tab.get_by_label("Scores, one conversation a line").fill("2 3 3 4\n3 3 4 5")
    tab.get_by_role("status").get_by_text("2 x 4 scores").wait_for()
    compute.click()  # one answer at a time: this one comes after the other
    tab.get_by_text("2 conversations of 4 turns").wait_for()
    assert {one for one in tab.evaluate("seen") if one} == {"2 conversations"}


def test_every_control_has_a_name_and_the_headings_are_in_order(tab):
    tab.get_by_role("button", name="Compute the curve").click()
    tab.locator("#result svg").wait_for()
    for name in ("Scores, one conversation a line", "Lowest score", "Highest score", "Confidence", "Resamples", "Seed"):
        assert tab.get_by_label(name, exact=False).first.is_visible()
    nameless = "e => !(e.labels?.length || e.ariaLabel || e.title || e.textContent.trim())"
    controls = tab.locator("input:visible, textarea:visible, button:visible, summary:visible, [role=textbox]:visible").all()
    assert len(controls) >= 10
    assert [control.evaluate("e => e.outerHTML") for control in controls if control.evaluate(nameless)] == []
    levels = [int(heading.evaluate("e => e.tagName[1]")) for heading in tab.locator("h1, h2, h3, h4, h5, h6").all()]
    assert levels == [1, 2, 2, 2, 2]
    assert tab.evaluate("document.documentElement.lang") == "en"
    tab.wait_for_timeout(300)  # a colour that is still fading has no contrast yet
    assert [found["id"] for found in violations(tab)] == []
