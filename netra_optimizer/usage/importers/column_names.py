"""What columns are called in tables nobody knows, whatever their case and underscores."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from netra_optimizer.usage.errors import BadOption


def _flat(part: str, *sides: str) -> tuple[str, ...]:
    """A part of a provider's usage object, as tables made flat call it."""
    return tuple(
        f"{head}{side}tokensdetails{part}"
        for side in sides
        for head in ("", "usage", "responseusage")
    )


SYNONYMS: Final[Mapping[str, tuple[str, ...]]] = {
    "id": (
        "id", "requestid", "callid", "generationid", "uuid", "responseid", "logid", "eventid",
        "correlationid",
    ),
    "start": (
        "start", "starttime", "timestamp", "time", "date", "datetime", "createdat", "created",
        "startedat", "ts", "requesttime", "requesttimestamp", "eventtime", "loggedat",
        "arrivaltime", "timegenerated", "timegeneratedutc",
    ),
    "end": ("end", "endtime", "endedat", "completedat", "finishedat", "responsetime"),
    "model": (
        "model", "modelname", "modelid", "llmmodel", "responsemodel", "requestmodel", "modelused",
        "engine", "deployment", "deploymentname", "llm", "modelpermaslug", "aimodel",
    ),
    "provider": (
        "provider", "providername", "vendor", "llmprovider", "modelprovider", "system", "aiorg",
    ),
    "operation": ("operation", "calltype", "requesttype", "endpointtype"),
    "service_tier": ("servicetier", "tier", "processingtier"),
    "input": (
        "nativetokensprompt",
        "inputtokens", "prompttokens", "tokensin", "inputtokencount", "prompttokencount",
        "contexttokens", "inputlength", "promptlength", "requesttokens", "intokens", "tokensinput",
        "tokensprompt", "ntokensprompt", "numinputtokens", "numprompttokens", "usageprompttokens",
        "usageinputtokens", "prompttoks", "totalinputtokens", "usagemetadataprompttokencount",
        "requnits",
    ),
    "input_uncached": (
        "inputuncached", "uncachedinputtokens", "inputuncachedtokens", "uncachedtokens",
        "noncachedinputtokens", "inputnocache", "inputtokensnocache", "inputwithoutcache",
        "inputwocachewrite", "regularinputtokens",
    ),
    "cache_read": (
        "cacheread", "cachereadtokens", "cachedtokens", "cachedinputtokens", "cachereadinputtokens",
        "inputcachedtokens", "cachehittokens", "promptcachehittokens", "tokenscached",
        "cachedprompttokens", "inputcacheread", "nativetokenscached",
        *_flat("cachedtokens", "prompt", "input"), *_flat("cacheread", "input"),
        "usagecachereadinputtokens", "usagecachedtokens", "cachedcontenttokencount",
        "usagemetadatacachedcontenttokencount",
    ),
    "cache_write": (
        "cachewrite", "cachewritetokens", "cachecreationtokens", "cachecreationinputtokens",
        "cachewriteinputtokens", "cachecreation", "inputcachecreation", "inputwcachewrite",
        "inputwithcachewrite",
        *_flat("cachewritetokens", "prompt", "input"), "usagecachecreationinputtokens",
    ),
    "cache_write_5m": (
        "cachewrite5m", "cachewrite5mtokens", "cachecreation5minputtokens",
        "ephemeral5minputtokens", "cachecreationephemeral5minputtokens",
        "usagecachecreationephemeral5minputtokens",
    ),
    "cache_write_1h": (
        "cachewrite1h", "cachewrite1htokens", "cachecreation1hinputtokens",
        "ephemeral1hinputtokens", "cachecreationephemeral1hinputtokens",
        "usagecachecreationephemeral1hinputtokens",
    ),
    "output": (
        "nativetokenscompletion",
        "outputtokens", "completiontokens", "tokensout", "outputtokencount", "completiontokencount",
        "generatedtokens", "outputlength", "responsetokens", "outtokens", "tokensoutput",
        "tokenscompletion", "ntokenscompletion", "numoutputtokens", "numcompletiontokens",
        "usagecompletiontokens", "usageoutputtokens", "completiontoks", "totaloutputtokens",
        "resunits",
    ),
    "output_text": (
        "outputtext", "outputtexttokens", "candidatestokencount", "usagecandidatestokencount",
        "usagemetadatacandidatestokencount",
    ),
    "total": ("totaltokens", "usagetotaltokens", "totaltokencount", "totaltoks"),
    "reasoning": (
        "reasoning", "reasoningtokens", "thinkingtokens", "outputreasoningtokens",
        "nativetokensreasoning", "tokensreasoning", "usagereasoningtokens", "thoughtstokencount",
        "usagemetadatathoughtstokencount",
        *_flat("reasoningtokens", "completion", "output"),
    ),
    "audio_in": (
        "audioin", "inputaudiotokens", "audioinputtokens", *_flat("audiotokens", "prompt", "input"),
    ),
    "audio_out": (
        "audioout", "outputaudiotokens", "audiooutputtokens",
        *_flat("audiotokens", "completion", "output"),
    ),
    "image_in": ("imagein", "inputimagetokens", "imageinputtokens"),
    "image_out": ("imageout", "outputimagetokens", "imageoutputtokens"),
    "latency_ms": (
        "latencyms", "durationms", "responsetimems", "elapsedms", "latencymillis",
        "generationtimems", "generationtime",
    ),
    "latency_s": ("latencys", "latencyseconds", "durations", "durationseconds"),
    "latency": ("latency", "duration", "elapsed"),
    "ttft_ms": ("ttftms", "timetofirsttokenms", "firsttokenms"),
    "ttft_s": ("ttfts", "timetofirsttokenseconds"),
    "ttft": ("ttft", "timetofirsttoken"),
    "user": ("user", "userid", "enduser", "enduserid", "username", "customer", "customerid"),
    "team": (
        "team", "teamid", "teamname", "department", "group", "costcenter", "organization",
        "project", "projectid",
    ),
    "feature": (
        "feature", "featurename", "usecase", "app", "application", "function", "service",
        "route", "name",
    ),
    "tags": ("tags", "labels", "requesttags"),
    "conversation": (
        "conversation", "conversationid", "sessionid", "session", "threadid", "chatid",
    ),
    "trace": ("trace", "traceid"),
    "span": ("span", "spanid"),
    "parent": ("parent", "parentid", "parentspanid"),
    "status": ("status", "state", "statuscode", "outcome", "success", "issuccess"),
    "error_kind": ("errorkind", "error", "errortype", "errorcode", "exception"),
    "attempt": ("attempt", "attemptnumber", "retrycount"),
    "retry_of": ("retryof",),
    "params": ("params", "parameters", "modelparameters"),
    "prompt_hash": ("prompthash", "requesthash", "promptsha256"),
    "prompt": ("prompt", "messages", "input", "inputtext"),
    "block_hashes": ("blockhashes", "hashids"),
    "block_tokens": ("blocktokens", "blocksize"),
    "finish_reason": ("finishreason", "stopreason", "finishreasonnormalized"),
    "requests": (
        "requests", "apirequests", "nummodelrequests", "numrequests", "requestcount", "nrequests",
        "numberofrequests", "totalrequests", "modelrequests",
    ),
    "batch": ("batch", "isbatch", "batched", "batchapi"),
    "tool_names": ("toolnames", "tools", "toolcalls"),
    "quality": ("quality", "score", "rating", "evalscore"),
    "cost_recorded": (
        "costrecorded", "cost", "costusd", "totalcost", "spend", "price", "usdcost", "amount",
        "responsecost", "totalcostusd", "costtotal",
    ),
    "usage": ("usage", "tokenusage", "usagemetadata"),
    "gateway_cache": ("cached", "cachehit", "iscached", "cachestatus", "fromcache"),
}  # fmt: skip
"""Field → usual column names, lower case without marks; the first that is there is taken."""
_FIELDS: Final = frozenset(SYNONYMS)


@lru_cache(maxsize=256)
def columns_of(names: tuple[str, ...], mapping_: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """Field → column of this table. Raises BadOption for a field that does not exist."""
    plain = {re.sub(r"[^a-z0-9]", "", name.lower()): name for name in reversed(names)}
    found = {
        field: plain[usual]
        for field, usuals in SYNONYMS.items()
        for usual in reversed(usuals)
        if usual in plain
    }
    for field, column in mapping_:
        known = _alias(field)
        if known not in _FIELDS:
            raise BadOption(
                f"--map names no field {field!r}.", hint=f"Fields: {', '.join(sorted(_FIELDS))}."
            )
        found[known] = column
    if "input_uncached" not in found and _anthropic(found):
        found["input_uncached"] = found.pop("input")
    return found


def _anthropic(found: Mapping[str, str]) -> bool:
    """Whether the counts have Anthropic's own names, and so its convention."""
    read, write, inputs = (
        re.sub(r"[^a-z0-9]", "", found.get(field, "").lower()).removeprefix("usage")
        for field in ("cache_read", "cache_write", "input")
    )
    own = read == "cachereadinputtokens" or write == "cachecreationinputtokens"
    return own and inputs == "inputtokens"


def _alias(field: str) -> str:
    if field in _FIELDS:
        return field
    plain = re.sub(r"[^a-z0-9]", "", field.lower())
    return next((name for name, usual in SYNONYMS.items() if plain in usual), field)
