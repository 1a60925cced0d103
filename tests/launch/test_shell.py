"""Shell scripts as the commands that they run: quotes, variables, branches, files that they write."""

import pytest

from simkit.core.errors import InputError
from simkit.core.placed import place_of
from simkit.launch.shell import Origin, read_script


def words(text, **environment):
    return [list(command.words) for command in read_script(text, environment).commands]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a b \\\n--c d", ["a", "b", "--c", "d"]),
        ("a b \\  \n  --c d", ["a", "b", "--c", "d"]),
        ("# it's a comment\na 'b c' \"d $X e\" $X", ["a", "b c", "d 1 e", "1"]),
        ('a ${Y:-2} ${Y} ${X:-3} ${X:+4} "${Y:-b c}"', ["a", "2", "${Y}", "1", "4", "b c"]),
        ("A=(--m 'n o' -p); a \"${A[@]}\" q", ["a", "--m", "n o", "-p", "q"]),
        ("A=(--m); A+=(--n); a ${A[@]}", ["a", "--m", "--n"]),
        ("E='--m 1  --n'; a $E \"$E\"", ["a", "--m", "1", "--n", "--m 1  --n"]),
        ("a --x=$((X * 8)) > log 2>&1", ["a", "--x=8"]),
        ("a > log --tp 2", ["a", "--tp", "2"]),
        ("a\n--tp 2", ["a", "--tp", "2"]),
        ("$ a --tp 2", ["a", "--tp", "2"]),
        ("f() { a $1 ${2:-x}; }\nf y", ["a", "y", "x"]),
        ('if [ -z "$Y" ]; then Y=5; else Y=6; fi; a $Y', ["a", "5"]),
        ('if [[ "$X" == "1" ]]; then Z=7; elif true; then Z=8; fi; a $Z', ["a", "7"]),
        ("case $X in 0) a 0;; 1|2) a 12;; *) a rest;; esac", ["a", "12"]),
        ("exec a b", ["exec", "a", "b"]),
        ("a --m <model> --n <your ip>:80", ["a", "--m", "<model>", "--n", "<your ip>:80"]),
        ("a '<x y>' \"<think>\" <in.txt >out.txt --n", ["a", "<x y>", "<think>", "--n"]),
        ('a "--m <your model> $X <b c> d${Y:-2}e <f>"', ["a", "--m <your model> 1 <b c> d2e <f>"]),
    ],
)
def test_a_command_is_what_bash_would_run(text, expected):
    (found,) = words(text, X="1")
    assert found == expected


def test_loops_are_written_out():
    assert words("for i in 0 1 2; do a --rank $i; done") == [["a", "--rank", str(i)] for i in range(3)]


def test_what_an_open_branch_assigns_is_not_known_afterwards():
    assert words("X=1; if [ -f y ]; then X=2; fi; a $X") == [["a", "$X"]]
    (command,) = read_script("\nif [ -f y ]; then a b; fi").commands
    assert command.branch == 2


def test_files_that_a_script_writes():
    script = read_script(
        "N=3\ncat > x.yaml <<EOF\nb: <your model>\na: $N\nEOF\n"
        "cat <<'E' > y.yaml\na: $N\nE\na --config x.yaml"
    )
    assert dict(script.files) == {"x.yaml": "b: <your model>\na: 3\n", "y.yaml": "a: $N\n"}


def test_words_know_their_line():
    (command,) = read_script("\n\na b \\\n --c 4", origin=Origin(file="run.sh", first_line=10)).commands
    assert [place_of(word) for word in command.words] == ["run.sh line 12"] * 2 + ["run.sh line 13"] * 2


@pytest.mark.parametrize("text", ["a 'b", 'a "b', "a $(", "a (", "if x; then a"])
def test_what_is_no_shell_text_is_refused_with_its_line(text):
    with pytest.raises(InputError, match="line 1 is not shell text"):
        read_script(text)
