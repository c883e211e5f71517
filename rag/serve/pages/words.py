"""The words of the pages in English and Chinese, and the choice of a reader's language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Language = Literal["en", "zh"]
COOKIE = "ragwright_language"

WORDS: dict[str, tuple[str, str]] = {
    "ask": ("Ask", "提问"),
    "search": ("Search", "检索"),
    "documents": ("Documents", "文档"),
    "upload": ("Upload", "上传"),
    "evaluation": ("Evaluation", "评测"),
    "health": ("Health", "状态"),
    "question": ("Your question", "你的问题"),
    "ask_placeholder": ("What would you like to know?", "想了解什么？"),
    "collection": ("Collection", "集合"),
    "filters": ("Filters", "过滤条件"),
    "filters_hint": ("one per line, such as page>=3 or lang=en", "每行一个，例如 page>=3 或 lang=zh"),
    "settings": ("Settings", "设置"),
    "top_k": ("Passages", "段落数"),
    "window": ("Sentences on each side", "前后句数"),
    "rerank": ("Rerank", "重排"),
    "hyde": ("HyDE", "HyDE"),
    "fusion": ("Fusion", "融合方式"),
    "default": ("as configured", "按配置"),
    "on": ("on", "开"),
    "off": ("off", "关"),
    "auto": ("auto", "自动"),
    "stop": ("Stop", "停止"),
    "answer": ("Answer", "回答"),
    "cited": ("Cited", "引用"),
    "all_passages": ("All passages", "全部段落"),
    "copy_answer": ("Copy with sources", "复制并附来源"),
    "copied": ("Copied", "已复制"),
    "link": ("Link to this question", "此问题的链接"),
    "how_found": ("How this was found", "检索过程"),
    "notes": ("Notes", "说明"),
    "open_document": ("Open the document", "打开文档"),
    "page": ("page", "第"),
    "page_after": ("", "页"),
    "score": ("score", "得分"),
    "stage": ("Stage", "阶段"),
    "milliseconds": ("ms", "毫秒"),
    "sentence": ("Sentence", "句子"),
    "dense": ("Dense", "稠密"),
    "sparse": ("Sparse", "稀疏"),
    "fused": ("Fused", "融合"),
    "reranked": ("Reranked", "重排后"),
    "nearest": ("The nearest passages", "最接近的段落"),
    "rejected": ("What the model wrote, which failed the check", "模型的原回答（未通过核对）"),
    "nothing_found": ("Nothing was found.", "没有找到相关内容。"),
    "no_collection": (
        "There are no collections yet. Make one: rag ingest FOLDER",
        "还没有集合。先建一个：rag ingest 文件夹",
    ),
    "name": ("Name", "名称"),
    "sentences": ("Sentences", "句数"),
    "find_document": ("Find a document", "查找文档"),
    "download": ("Original file", "原始文件"),
    "outline": ("Outline", "目录"),
    "earlier": ("Earlier", "上一页"),
    "later": ("Later", "下一页"),
    "choose_files": ("Choose files, or drop them here", "选择文件，或拖到这里"),
    "send": ("Send", "发送"),
    "watched": ("Watched folders", "监视的文件夹"),
    "watched_hint": ("New, changed, moved and deleted files are synced to", "新增、改动、移动和删除的文件会同步到"),
    "sync": ("Sync now", "立即同步"),
    "jobs": ("Jobs", "任务"),
    "cancel": ("Cancel", "取消"),
    "no_jobs": ("No files are being ingested.", "当前没有导入任务。"),
    "models": ("Models", "模型"),
    "encoder": ("Encoder", "编码器"),
    "reranker": ("Reranker", "重排器"),
    "llm": ("Language model", "语言模型"),
    "none": ("none", "无"),
    "queues": ("Queues", "队列"),
    "running": ("running", "进行中"),
    "waiting": ("waiting", "等待中"),
    "store": ("Store", "向量库"),
    "key": ("Key", "密钥"),
    "key_hint": (
        "This server requires a key. Make one with: rag key new NAME",
        "此服务需要密钥。生成方法：rag key new 名称",
    ),
    "enter": ("Enter", "进入"),
    "wrong_key": ("Unknown key.", "密钥无效。"),
    "other_language": ("中文", "English"),
    "status_answered": ("answered", "已回答"),
    "status_extractive": ("the documents' own sentences", "原文摘录"),
    "status_not_found": ("not in these documents", "文档中没有"),
    "status_direct": ("answered without documents", "未查文档直接回答"),
    "sentence_cited": ("cited by the model", "模型引用"),
    "sentence_matched": ("matched by RagWright", "自动匹配"),
    "sentence_moved": ("citation corrected", "引用已更正"),
    "sentence_unverified": ("could not be verified", "无法核实"),
    "sentence_unsupported": ("not supported by the passages", "段落不支持"),
    "sentence_contradicted": ("contradicts the passage", "与段落矛盾"),
    "searching": ("Searching …", "正在检索……"),
    "writing": ("Writing …", "正在作答……"),
    "failed": ("This failed", "出错了"),
    "right": ("Right", "正确"),
    "wrong": ("Wrong", "错误"),
    "wrong_source": ("Right, wrong source", "答案对，来源错"),
    "thanks": ("Thank you for your feedback.", "已记录，谢谢。"),
    "changed_since": (
        "The document has changed since. The sentence as it was cited:",
        "文档此后有改动；引用时的原句：",
    ),
    "searched_besides": ("Also searched", "除问题外还检索了"),
    "changed": ("Changed", "修改日期"),
    "not_read": ("Could not be read", "未能读取"),
    "borders_on": ("Show where sentences end", "显示句子边界"),
    "borders_off": ("Hide where sentences end", "隐藏句子边界"),
    "its_window": ("the sentences around it that an answer reads", "作答时一并读取的前后句"),
    "findings": ("Checks", "检查结果"),
    "check_ok": ("fine", "正常"),
    "check_warn": ("could be better", "可改进"),
    "check_fail": ("does not work", "不可用"),
    "sending": ("sending", "正在上传"),
    "look_again": ("Look again", "刷新"),
    "two_settings": ("Compare with another setting", "与另一设置对比"),
    "state_waiting": ("waiting", "等待中"),
    "state_running": ("reading", "正在导入"),
    "state_done": ("done", "完成"),
    "state_failed": ("failed", "失败"),
    "state_cancelled": ("cancelled", "已取消"),
    "state_ready": ("ready", "就绪"),
    "state_loading": ("loading", "加载中"),
    "state_draining": ("stopping", "正在停止"),
    "state_failing": ("failing", "出错"),
    "file_added": ("added", "已添加"),
    "file_updated": ("updated", "已更新"),
    "file_moved": ("moved", "已移动"),
    "file_unchanged": ("unchanged", "没有变化"),
    "file_duplicate": ("a copy of another file", "与另一文件相同"),
    "file_removed": ("removed", "已移除"),
    "file_skipped": ("skipped", "已跳过"),
    "file_deleted": ("deleted", "已删除"),
    "stage_encode": ("encode", "编码"),
    "stage_search": ("search", "检索"),
    "stage_fuse": ("fuse", "融合"),
    "stage_hyde": ("HyDE", "HyDE"),
    "stage_windows": ("windows", "取窗口"),
    "stage_rerank": ("rerank", "重排"),
    "stage_prompt": ("prompt", "组织提示词"),
    "stage_answer": ("answer", "作答"),
    "stage_cite": ("check", "核对引用"),
    "stage_route": ("route", "分流"),
    "stage_rewrite": ("rewrite", "改写问题"),
    "stage_diversify": ("diversify", "去除相近段落"),
    "stage_postprocess": ("postprocess", "后处理"),
    "stage_refusal": ("refusal", "判断能否作答"),
    "skip": ("Skip to the content", "跳到正文"),
}

COUNTED = {"documents": ("document", "documents", "篇文档"), "sentences": ("sentence", "sentences", "句")}
# The subject of each kind of note in Chinese, before the English notes of an English question.
NOTES_ZH = {
    "one_leg": "只检索了一路",
    "question_cut": "问题过长，已截断",
    "hyde": "使用了 HyDE",
    "hyde_failed": "HyDE 未能使用",
    "rewriting_failed": "问题未能翻译或改写",
    "rerank_failed": "重排失败，保留融合后的次序",
    "passage_cut": "重排器没有读完整个段落",
    "rerank_blended": "次序不只由重排决定",
    "context": "有段落未放入提示词",
    "routed": "未查文档",
    "follow_up": "追问未改写",
    "no_llm": "没有配置语言模型",
    "language": "语言模型不支持这种语言",
    "llm_failed": "语言模型失败",
    "repeated": "语言模型重复，已停止",
    "answer_cut": "回答达到长度上限",
    "citation_removed": "已去掉虚构的引用",
    "unsupported": "有句子没有依据",
    "other_language": "回答用了另一种语言",
    "other_words": "按意思选出，无法核查",
    "not_found": "文档中没有答案",
    "settings": "所用模型来自你的设置",
    "left_out": "有集合未能检索",
    "orders": "文档中有写给语言模型的指令",
    "other": "说明",
}


class Words(dict[str, str]):
    """The words of one language, by name.

    >>> Words("zh")["sync"]
    '立即同步'
    """

    def __init__(self, language: Language, more: Mapping[str, tuple[str, str]] | None = None) -> None:
        place = 0 if language == "en" else 1
        super().__init__({name: pair[place] for name, pair in {**WORDS, **(more or {})}.items()})
        self.language = language

    def counted(self, what: str, number: int) -> str:
        """A number of "documents" or "sentences"."""
        one, several, chinese = COUNTED[what]
        if self.language == "zh":
            return f"{number:,} {chinese}"
        return f"{number:,} {one if number == 1 else several}"

    def note(self, kind: str) -> str:
        """Return the subject of a kind of note in Chinese, to show before an English note; "" on the English page."""
        return NOTES_ZH.get(kind, "") if self.language == "zh" else ""

    def note_words(self) -> dict[str, str]:
        """Return kind of note -> its ``note``, for a script."""
        return dict(NOTES_ZH) if self.language == "zh" else {}

    def starting(self, start: str) -> dict[str, str]:
        """Return the words whose names begin with ``start``, by the rest of their names, for a script."""
        return {name.removeprefix(start): word for name, word in self.items() if name.startswith(start)}


def choose_language(headers: dict[str, str], cookie: str | None) -> Language:
    """Return the language that the reader has chosen, else the browser's.

    >>> choose_language({"accept-language": "zh-CN,zh;q=0.9"}, None), choose_language({}, "en")
    ('zh', 'en')
    """
    if cookie in ("en", "zh"):
        return "zh" if cookie == "zh" else "en"
    for part in headers.get("accept-language", "").split(","):
        tag = part.split(";")[0].strip().lower()
        if tag.startswith("zh"):
            return "zh"
        if tag.startswith("en"):
            return "en"
    return "en"
