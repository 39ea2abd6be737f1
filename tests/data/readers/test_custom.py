"""A folder of one's own images: names by a pattern, a table, and every way in which people get it wrong."""

import unicodedata
from pathlib import Path

import pytest
from fixtures import save, write_own

from cadnet_edu.data.readers import custom
from cadnet_edu.data.readers.custom import label_numbers, normalized, pattern_to_regex


def table(root: Path, text: str, name: str = "images.csv", encoding: str = "utf-8") -> Path:
    path = root / name
    path.write_text(text, encoding=encoding)
    return path


@pytest.fixture
def photos(tmp_path) -> Path:
    return write_own(tmp_path / "class")


def test_text_becomes_numbers_and_people_are_kept_whole(photos):
    split = custom(photos).check()
    assert split.name == "class"
    people = dict(enumerate(sorted(["anna", "Bo", "Zoë", "dmitri", "eve", "faye"])))
    for s in (*split.train, *split.query, *split.gallery):
        who, where, _ = s.name.split("_")
        assert people[s.pid] == unicodedata.normalize("NFC", who)
        assert s.camera == ["hall", "yard"].index(where)
    assert len({s.pid for s in split.train}) == len({s.pid for s in split.query}) == 3
    for q in split.query:  # one camera of each is asked for, the others answer
        assert {g.camera for g in split.gallery if g.pid == q.pid} == {0, 1} - {q.camera}


def test_the_split_depends_on_the_seed_alone(photos):
    assert custom(photos, seed=2) == custom(str(photos), seed=2)
    assert len({frozenset(s.pid for s in custom(photos, seed=seed).query) for seed in range(6)}) > 2
    assert len({s.pid for s in custom(photos, test_share=0.9).query}) == 4  # two are left to train on


def test_folders_for_people(tmp_path):
    for pid in range(4):
        for camera in range(2):
            save(tmp_path / f"p{pid}" / f"{camera}_x.jpg", pid, camera)
    split = custom(tmp_path, "{pid}/{camera}_*").check()
    assert len((*split.train, *split.query, *split.gallery)) == 8
    with pytest.raises(ValueError, match=r"There is p0/0_x.jpg at another level.*'\{pid\}/\*'"):
        custom(tmp_path)


def test_without_cameras_each_image_is_its_own(tmp_path):
    for pid in "abcd":
        for shot in range(3):
            save(tmp_path / f"{pid}-{shot}.jpg", ord(pid), 0, shot)
    split = custom(tmp_path, "{pid}-*").check()
    assert len({s.camera for s in (*split.train, *split.query, *split.gallery)}) == 12
    assert (len(split.query), len(split.gallery)) == (2, 4)


def test_an_ending_in_the_pattern_restricts(photos):
    names = [s.name for s in custom(photos, "{pid}_{camera}_*.png").train]
    assert names
    assert all(name.endswith(".png") for name in names)
    assert not all(s.name.endswith(".png") for s in custom(photos).train)


@pytest.mark.parametrize("name", ["anna.jpg", "anna_hall.jpg"])
def test_a_name_that_does_not_fit(photos, name):
    save(photos / name, 1)
    with pytest.raises(ValueError, match=rf"{name}: the name does not fit the pattern.*images.csv"):
        custom(photos)


@pytest.mark.parametrize("pattern", ["*_{camera}", "{pid}_{pid}", "{pid}_{camera}_{camera}"])
def test_a_pattern_must_say_who(photos, pattern):
    with pytest.raises(ValueError, match=r"it holds \{(pid|camera)\} \d times"):
        custom(photos, pattern)


def test_a_pattern_is_taken_literally():
    assert pattern_to_regex("{pid}.{camera}(*)").fullmatch("a.b(c)").groupdict() == {"pid": "a", "camera": "b"}
    assert pattern_to_regex("{pid}.{camera}").fullmatch("axb") is None


TWICE = [{"7", "007"}, {"Anna", "anna"}, {"7", "07", "x"}, {"12", "１２"}, {"0", "00"}]
NOTHING = ["nan", "NaN", "None", "<NA>", "#N/A"]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        *((texts, "one or two") for texts in TWICE),
        ({"-1", "3"}, "'-1': that marks junk"),
        *(({text, "3"}, f"identity {text!r}: programs write this where") for text in NOTHING),
    ],
)
def test_identities_that_cannot_be_numbered(texts, message):
    with pytest.raises(ValueError, match=message):
        label_numbers(texts, "identity")


def test_numbers_beyond_64_bits_are_names():
    assert label_numbers({"9" * 30, "1" * 30}, "identity") == {"1" * 30: 0, "9" * 30: 1}
    assert label_numbers({"9" * 18, "4"}, "identity") == {"9" * 18: int("9" * 18), "4": 4}
    assert label_numbers({"Nan", "Anna"}, "identity") == {"Anna": 0, "Nan": 1}  # a name, no missing entry


def test_whole_numbers_of_spreadsheets_are_whole_numbers(photos):
    cameras = ["1", "1.0", "1,0", "01"]
    assert [normalized(text) for text in cameras] == ["1", "1", "1", "01"]
    lines = [f"{who}_{where}_{k}.{'jpg' if k else 'png'};{pid}.0;{camera + 1}{'.0' if k else ''}"
             for pid, who in enumerate(("anna", "Bo", "Zoë", "eve")) for camera, where in enumerate(("hall", "yard"))
             for k in range(2)]  # fmt: skip
    table(photos, "\n".join(["file;pid;camera", *lines]))
    split = custom(photos)
    everything = (*split.train, *split.query, *split.gallery)
    assert {s.camera for s in everything} == {1, 2}
    assert {s.pid for s in everything} == {0, 1, 2, 3}


def test_too_few_images_people_or_cameras(tmp_path, photos):
    save(photos / "gus_hall_0.jpg", 77)
    for pid in range(5):
        for shot in range(2):
            save(tmp_path / "one" / f"{pid}_1_{shot}.jpg", pid, 0, shot)
    for root, message in (
        (photos, r"1 people have a single image \(for example 'gus': gus_hall_0.jpg\)"),
        (tmp_path / "one", r"5 people, 0 of them seen by two cameras.*without \{camera\}"),
        (write_own(tmp_path / "few", ("a", "b", "c")), "3 people, 3 of them seen by two cameras"),
    ):
        with pytest.raises(ValueError, match=message):
            custom(root)


LINES = [f"{who}_{where}_0.png,{who},{where}" for who in ("anna", "Bo", "Zoë", "dmitri") for where in ("hall", "yard")]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_table(photos, delimiter, encoding):
    text = "\r\n".join(["File,PID,camera", *LINES, "", ""]).replace(",", delimiter)
    path = table(photos, text, encoding=encoding)
    split = custom(photos).check()
    assert len((*split.train, *split.query, *split.gallery)) == 8
    assert custom(path) == split


def test_a_table_with_roles(photos):
    roles = ["train"] * 4 + ["query", "gallery", "gallery", "Query"]
    path = table(photos, "\n".join(["file,pid,camera,role", *(f"{a},{b}" for a, b in zip(LINES, roles))]), "mine.csv")
    split = custom(path).check()
    assert [s.name for s in split.query] == ["Zoë_hall_0.png", "dmitri_yard_0.png"]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: b"\xff\xfe" + text.replace(",", "\t").encode("utf-16-le"),
        lambda text: text.replace(",", "\t").replace("\n", "\r\n").encode("utf-16"),
        lambda text: ("sep=;\r\n" + text.replace(",", ";")).encode(),
        lambda text: ("\ufeffsep=|\n" + text.replace(",", "|")).encode(),
        lambda text: text.replace("\n", "\r").encode(),
        lambda text: text.replace("anna", ".\\anna", 1).encode(),
        lambda text: text.replace("\n", ",,\n").encode(),
        lambda text: text.replace("anna_hall_0.png", " anna_hall_0.png").encode(),
    ],
)  # fmt: skip
def test_tables_of_spreadsheets(photos, change):
    text = "\n".join(["file,pid,camera", *LINES, ""])
    table(photos, text)
    wanted = custom(photos)
    (photos / "images.csv").write_bytes(change(text))
    assert custom(photos) == wanted


def test_names_with_blanks_around_them_can_be_listed(photos):
    (photos / "anna_hall_0.png").rename(photos / " anna_hall_0.png")
    (photos / "Bo_hall_0.png").rename(photos / "Bo_hall_0.png ")
    text = "\n".join(["file,pid,camera", *LINES])
    table(photos, text.replace("anna_hall_0.png", '" anna_hall_0.png"').replace("Bo_hall_0.png", "Bo_hall_0.png "))
    split = custom(photos)
    names = {s.name for s in (*split.train, *split.query, *split.gallery)}
    assert {" anna_hall_0.png", "Bo_hall_0.png "} <= names
    assert all(s.load().size for s in (*split.train, *split.query, *split.gallery))


HEAD = "file,pid,camera\n"
BAD_TABLES = {
    "column twice": ("file,pid,camera,PID\nanna_hall_0.png,1,1,2", "2 columns 'pid'"),
    "comma in a name": (HEAD + "anna_hall_0.png,1,2,3", r"line 2: 4 entries, 3 columns\. Quote names with ','"),
    "open quote": (HEAD + '"anna_hall_0.png,1,1\nanna_yard_0.png,1,2', "line 3: unexpected end of data.*left open"),
    "long open quote": (HEAD + '"anna_hall_0.png,1,1\n' + "x" * 200_000, "larger than field limit"),
    "line after sep": ("sep=;\nfile;pid;camera\nx.jpg;1;1", "line 3: there is no file .*x.jpg"),
    "zero byte": (HEAD + "\0", "no text in UTF-8"),
    "archive": (b"PK\x03\x04\xff\xfe", "no text in UTF-8"),
    "missing": (
        HEAD + "anna_hall_0.png,nan,1\nanna_yard_0.png,1,2", "identity 'nan': programs write this where an entry",
    ),
    "up by backslash": (HEAD + "..\\x.jpg,1,1", "leaves the folder"),
    "no column": ("file,person,camera\nx,1,1", r"no column 'pid' in the first line, which reads 'file,person,camera'"),
    "nothing": ("", "no column 'file'"),
    "no line": (HEAD, "no line below its header"),
    "empty": (HEAD + "anna_hall_0.png,,1", "line 2: nothing is given for 'pid'"),
    "gone": (HEAD + "x.jpg,1,1", "line 2: there is no file .*x.jpg"),
    "outside": (HEAD + "../x.jpg,1,1", "line 2: '../x.jpg' leaves the folder"),
    "absolute": (HEAD + "/etc/x.jpg,1,1", "line 2: '/etc/x.jpg' is an absolute path"),
    "windows": (HEAD + "C:\\x.jpg,1,1", "is an absolute path"),
    "twice": (HEAD + "anna_hall_0.png,1,1\nanna_hall_0.png,2,1", "anna_hall_0.png: listed twice"),
    "role": ("file,pid,camera,role\nanna_hall_0.png,1,1,test", "line 2: role = 'test'. It must be one of train"),
    "some roles": (
        "file,pid,camera,role\nanna_hall_0.png,1,1,train\nanna_yard_0.png,1,2,", "1 of 2 images have no role",
    ),
    "mixed": (
        "file,pid,camera,role\nanna_hall_0.png,1,1,train\nanna_yard_0.png,1,2,train\n"
        "anna_hall_1.jpg,1,1,query\nanna_yard_1.jpg,1,2,gallery", "1 identities are in train and in test",
    ),
    "no match": (
        "file,pid,camera,role\nanna_hall_0.png,1,1,train\nanna_yard_0.png,1,2,train\n"
        "Bo_hall_0.png,2,1,query\nBo_hall_1.jpg,2,1,gallery", "no query has a match from another camera",
    ),
    "lonely": (
        "file,pid,camera,role\nanna_hall_0.png,1,1,train\nBo_hall_0.png,2,1,query\nBo_yard_1.jpg,2,2,gallery",
        "1 training identities have a single image",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD_TABLES)
def test_a_table_that_cannot_be_used(photos, kind):
    text, message = BAD_TABLES[kind]
    (photos / "images.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match=message):
        custom(photos).check()
