"""`estab report`: the page stands alone, its numbers are the capture's, and in a browser (Chromium, headless,
if there is one) it can be clicked through and used by keyboard, in light and dark."""
import base64
import gzip
import json
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

ESTAB = sys.argv.pop(1)
CAPTURES = pathlib.Path(__file__).resolve().parent.parent / "captures"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def report(capture, page, *words):
    return subprocess.run([ESTAB, "report", str(capture), "-o", str(page), *words], capture_output=True, text=True,
                          timeout=60)


class Folder(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="estab-report-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def page_of(self, name, *words):
        page = self.folder / "page.html"
        run = report(CAPTURES / name, page, *words)
        self.assertEqual((run.returncode, run.stderr, run.stdout), (0, "", ""))
        return page.read_text()


class Page(Folder):
    def test_it_needs_nothing_else(self):
        text = self.page_of("loss-single-server.pcap")
        self.assertNotRegex(text, r"""(src|href)=["'](?!#)""")
        self.assertNotRegex(text, r"""url\(["']?http|@import|\bfetch\(|XMLHttpRequest""")
        self.assertIn("default-src 'none'", text)
        self.assertNotRegex(text, r"@[A-Z_]+@")

    def data_of(self, text):
        return json.loads(re.search(r'id="data">(.*?)</script>', text, re.S)[1])

    def test_its_numbers_are_the_captures(self):
        text = self.page_of("loss-single-server.pcap")
        data = self.data_of(text)
        self.assertEqual((data["connections_total"], len(data["connections"])), (1, 1))
        packed = re.search(r'id="points-0">([^<]*)<', text)[1]
        columns = gzip.decompress(base64.b64decode(packed))
        count, _ = struct.unpack_from("<2I", columns)
        self.assertEqual(count, data["tcp_segments"])
        frames = struct.unpack_from(f"<{count}I", columns, 8 + 4 * count)
        self.assertEqual(list(frames), sorted(frames))
        labels = struct.unpack_from(f"<{count}I", columns, 8 + 4 * 6 * count)
        fast = 1 << data["labels"].index("fast")
        self.assertEqual([f for f, l in zip(frames, labels) if l & fast], [104])

    def test_only_so_many_segments_are_drawn_but_all_are_counted(self):
        page = self.folder / "page.html"
        run = report(CAPTURES / "loss-single-server.pcap", page, "--segments", "10")
        self.assertEqual(run.returncode, 0)
        self.assertIn("not all segments are drawn", run.stderr)
        data = self.data_of(page.read_text())
        self.assertTrue(data["connections"][0]["cut"])
        self.assertGreater(data["tcp_segments"], 100)

    def test_a_files_name_cannot_end_the_script(self):
        capture = self.folder / "a<script>b&.pcap"
        shutil.copy(CAPTURES / "hello-welcome.pcap", capture)
        run = report(capture, self.folder / "page.html")
        self.assertEqual(run.returncode, 0)
        self.assertNotIn("a<script>", (self.folder / "page.html").read_text())

    def test_mistakes_and_damage(self):
        run = subprocess.run([ESTAB, "report", str(CAPTURES / "d-empty.pcap")], capture_output=True, text=True)
        self.assertEqual((run.returncode, run.stderr.count("\n")), (2, 1))
        run = report(CAPTURES / "hello-welcome.pcap", self.folder / "no" / "page.html")
        self.assertEqual((run.returncode, run.stderr.count("\n")), (1, 1))
        run = report("/nonexistent", self.folder / "page.html")
        self.assertEqual((run.returncode, list(self.folder.iterdir())), (1, []))
        run = report(CAPTURES / "d-cut-record.pcap", self.folder / "cut.html")  # what can be read is there
        self.assertEqual((run.returncode, run.stderr.count("\n")), (1, 1))
        self.assertIn("10.9.0.1:39508", (self.folder / "cut.html").read_text())


class Simulation(Folder):
    """`estab sim run --out` writes the same page, with what only a simulator knows."""

    def run_to(self, *words):
        folder = self.folder / "out"
        run = subprocess.run([ESTAB, "sim", "run", "--duration", "3s", "--out", str(folder), *words],
                             capture_output=True, text=True, timeout=60)
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        return folder

    def test_it_writes_four_files_that_agree(self):
        folder = self.run_to("--flows", "2", "--cc", "cubic,reno", "--rate", "10mbit")
        self.assertEqual(sorted(p.name for p in folder.iterdir()),
                         ["capture.pcapng", "events.jsonl", "report.html", "summary.json"])
        summary = json.loads((folder / "summary.json").read_text())
        text = (folder / "report.html").read_text()
        data = json.loads(re.search(r'id="data">(.*?)</script>', text, re.S)[1])
        self.assertEqual(data["simulation"]["summary"], summary)
        self.assertEqual(sorted(data["simulation"]["flows"]), sorted(c["client"] for c in data["connections"]))
        lost = 0
        for flow in range(2):
            columns = gzip.decompress(base64.b64decode(re.search(rf'id="series-{flow}">([^<]*)<', text)[1]))
            samples, losses = struct.unpack_from("<2I", columns)
            self.assertEqual(len(columns), 8 + 4 * (8 * samples + 3 * losses))
            lost += losses
            cwnd = struct.unpack_from(f"<{samples}I", columns, 8 + 4 * samples)
            self.assertGreater(max(cwnd), 14480)
        self.assertEqual(lost, summary["dropped_by_queue"])
        again = sum(f["retransmits"] for f in summary["flows"])
        events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
        told = sum(e.get("event") == "retransmit" for e in events)  # one may be of several segments
        self.assertTrue(0 < told <= again, (told, again))

    def test_what_is_watched_is_not_changed(self):
        hash_of = lambda text: json.loads(text)["hash"]
        plain = subprocess.run([ESTAB, "sim", "run", "--duration", "3s", "--json"], capture_output=True, text=True)
        self.assertEqual(hash_of((self.run_to() / "summary.json").read_text()), hash_of(plain.stdout))

    @unittest.skipUnless(CHROMIUM, "no chromium")
    def test_the_page_shows_it(self):
        page = self.run_to("--rate", "10mbit", "--loss", "0.5%") / "report.html"
        page.write_text(page.read_text().replace("</body>", SIMULATED + "</body>"))
        steps = re.search(r'<pre id="steps">(.*?)</pre>', dom_of(self.folder, page), re.S)
        self.assertIsNotNone(steps, "the steps did not end")
        lines = steps[1].strip().splitlines()
        self.assertEqual([line for line in lines if not line.startswith("ok ")], ["end"])


# Clicks and keys, one after the other, each followed by what must hold then. Runs inside the page.
STEPS = r"""
<script>(async () => {
  const out = [], $ = id => document.getElementById(id);
  const wait = ms => new Promise(done => setTimeout(done, ms));
  const until = async (what, test) => { for (let i = 0; i < 200 && !test(); ++i) await wait(20); check(what, test()); };
  const check = (what, ok) => out.push((ok ? "ok " : "FAILED ") + what);
  const key = k => $("plots").dispatchEvent(new KeyboardEvent("keydown", {key: k, bubbles: true, cancelable: true}));
  const rows = () => [...$("connections").tBodies[0].rows].map(row => row.cells[0].textContent.trim());
  const inked = () => [...document.querySelectorAll(".plot canvas")].map(canvas => {
    const d = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    let n = 0; for (let i = 3; i < d.length; i += 4) n += d[i] !== 0; return n; });
  addEventListener("error", event => out.push("FAILED error " + event.message));
  try {
    await until("four plots are drawn", () => document.querySelectorAll(".plot canvas").length === 4);
    check("there is something in each", inked().every(n => n > 200));
    check("the first finding is the dearest", $("findings").querySelector("button").textContent.includes("timeout"));
    check("the connection is described", $("connection-title").textContent.includes("10.9.0.1:34034"));
    const all = $("segments-note").textContent;
    $("findings").querySelector("button").click();
    await until("a click on a finding zooms to its frame", () => $("here").textContent.startsWith("Frame 86,"));
    check("and says what it is", $("here").textContent.includes("timeout: sent again because nothing came back"));
    await until("fewer segments are in view", () => $("segments-note").textContent !== all);
    check("its row is marked", document.querySelector("#segments tr.chosen td").textContent === "86");
    key("n"); await wait(100);
    check("n goes to the next label", $("here").textContent.startsWith("Frame 87,"));
    key("p"); await wait(100);
    check("p goes back", $("here").textContent.startsWith("Frame 86,"));
    key("0"); await until("0 shows everything", () => $("segments-note").textContent === all);
    key("+"); await until("plus zooms", () => $("segments-note").textContent !== all);
    key("ArrowLeft"); key("-"); key("-"); await wait(100);
    check("nothing breaks at the edges", document.querySelectorAll(".plot").length === 4);
    document.getElementsByName("side")[0].click(); await wait(50);
    check("the other side can be shown", document.querySelector(".plot h3").textContent.includes("client"));
    const over = document.querySelector(".u-over"), box = over.getBoundingClientRect();
    document.getElementsByName("side")[1].click(); await wait(50);
    const field = document.querySelector(".u-over"), place = field.getBoundingClientRect();
    for (let x = 5; x < place.width && $("tip").hidden; x += 7)
      for (let y = 5; y < place.height && $("tip").hidden; y += 15) {
        field.dispatchEvent(new MouseEvent("mousemove", {clientX: place.left + x, clientY: place.top + y, bubbles: true}));
        await wait(0);
      }
    check("the pointer brings an explanation", /^Frame \d+, .*(octets|acknowledges)/.test($("tip").textContent));
    $("filter").value = "no-such-thing"; $("filter").dispatchEvent(new Event("input"));
    check("the filter hides", rows().length === 0);
    $("filter").value = "tail-probe 10.9.0.2"; $("filter").dispatchEvent(new Event("input"));
    check("the filter finds by words", rows().length === 1);
    const heading = document.querySelector("#connections th button");
    heading.click();
    check("headings sort and say so", heading.parentElement.getAttribute("aria-sort") === "ascending");
    const light = getComputedStyle(document.body).backgroundColor;
    $("theme").click(); $("theme").click(); await wait(50);
    check("dark is dark", getComputedStyle(document.body).backgroundColor !== "rgb(255, 255, 255)");
    check("plots are drawn again", inked().every(n => n > 200));
    const unnamed = [...document.querySelectorAll("button, input")].filter(e => !(e.textContent.trim() || e.ariaLabel || e.closest("label")));
    check("every control has a name", unnamed.length === 0);
    check("nothing is wider than the page", document.documentElement.scrollWidth <= innerWidth);
  } catch (error) { out.push("FAILED " + error.stack); }
  document.body.append(Object.assign(document.createElement("pre"), {id: "steps", textContent: "\n" + out.join("\n") + "\nend\n"}));
})();</script>
"""


SIMULATED = STEPS[:STEPS.index("  try {")] + r"""
  try {
    await until("all plots are drawn", () => document.querySelectorAll(".plot canvas").length === 8);
    check("there is something in each", inked().every(n => n > 200));
    check("the flows are told", $("flows").tBodies[0].rows.length === 1 && !$("simulation").hidden);
    check("losses have a mark", $("legend").textContent.includes("lost on the way"));
    key("+"); key("+"); await wait(200);
    check("zooming keeps the plots", inked().every(n => n > 100));
    $("theme").click(); $("theme").click(); await wait(50);
    check("plots are drawn again", inked().every(n => n > 100));
    check("nothing is wider than the page", document.documentElement.scrollWidth <= innerWidth);
""" + STEPS[STEPS.index("  } catch (error)"):]


def dom_of(folder, page, *options):
    run = subprocess.run([CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1280,1000",
                          f"--user-data-dir={folder / 'profile'}", *options, "--virtual-time-budget=30000",
                          "--dump-dom", page.as_uri()], capture_output=True, text=True, timeout=120)
    return run.stdout


@unittest.skipUnless(CHROMIUM, "no chromium")
class Browser(Folder):
    def test_it_can_be_clicked_through(self):
        text = self.page_of("loss-rto-server.pcap")
        page = self.folder / "steps.html"
        page.write_text(text.replace("</body>", STEPS + "</body>"))
        steps = re.search(r'<pre id="steps">(.*?)</pre>', dom_of(self.folder, page), re.S)
        self.assertIsNotNone(steps, "the steps did not end")
        lines = steps[1].strip().splitlines()
        self.assertEqual(lines[-1], "end")
        self.assertEqual([line for line in lines if not line.startswith("ok ")], ["end"])
        self.assertGreater(len(lines), 20)

    def test_many_connections_and_none(self):
        text = self.page_of("syn-flood-cookies.pcap")
        (self.folder / "flood.html").write_text(text)
        dom = dom_of(self.folder, self.folder / "flood.html")
        self.assertIn("SYN flood or scan: 120 connections", dom)
        self.assertIn("121 connections", dom)
        (self.folder / "none.html").write_text(self.page_of("d-empty.pcap"))
        self.assertIn("0 connections", dom_of(self.folder, self.folder / "none.html"))


if __name__ == "__main__":
    unittest.main(verbosity=1)
