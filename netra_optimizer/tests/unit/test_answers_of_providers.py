"""Whole answers as providers send them, in a log: each into the right buckets, by its own rules."""

import json
from pathlib import Path

import pytest

from netra_optimizer import read_files
from netra_optimizer.usage.record import TOKEN_BUCKETS

AT = "2026-11-20T10:00:00Z"


def read(folder: Path, rows: list, **options) -> list[dict]:
    path = folder / "log.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows))
    imported = read_files(path, **options)
    found = [row for batch in imported.batches() for row in batch.to_pylist()]
    audit = imported.audit
    assert audit.rows_read == audit.rows_kept == len(found) == len(rows), audit
    return found


def buckets(row: dict) -> dict[str, int]:
    return {name: row[name] for name in TOKEN_BUCKETS if row[name]}


OPENAI_USAGE = {
    "prompt_tokens": 1117, "completion_tokens": 46, "total_tokens": 1163,
    "prompt_tokens_details": {"cached_tokens": 1024, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 20, "audio_tokens": 0,
                                  "accepted_prediction_tokens": 3,
                                  "rejected_prediction_tokens": 5},
}  # fmt: skip
OPENAI_BUCKETS = {"input_uncached": 93, "cache_read": 1024, "output_text": 26, "reasoning": 20}
CLAUDE_USAGE = {
    "input_tokens": 21, "cache_creation_input_tokens": 188, "cache_read_input_tokens": 4000,
    "cache_creation": {"ephemeral_5m_input_tokens": 88, "ephemeral_1h_input_tokens": 100},
    "output_tokens": 393, "service_tier": "standard", "inference_geo": "global",
    "server_tool_use": {"web_search_requests": 1, "web_fetch_requests": 0},
}  # fmt: skip
CLAUDE_BUCKETS = {
    "input_uncached": 21, "cache_read": 4000, "cache_write_5m": 88, "cache_write_1h": 100,
    "output_text": 393,
}  # fmt: skip
CHUNK = {"id": "chatcmpl-9", "object": "chat.completion.chunk", "created": 1795168800,
         "model": "gpt-4o-2024-08-06"}  # fmt: skip
MESSAGE = {"id": "msg_01", "type": "message", "role": "assistant", "content": [],
           "model": "claude-sonnet-4-5-20250929", "stop_reason": None}  # fmt: skip
WHOLE_MESSAGE = {**MESSAGE, "stop_reason": "end_turn", "usage": CLAUDE_USAGE}
GEMINI_USAGE = {
    "promptTokenCount": 2000, "cachedContentTokenCount": 1500, "candidatesTokenCount": 70,
    "thoughtsTokenCount": 130, "toolUsePromptTokenCount": 90, "totalTokenCount": 2290,
}  # fmt: skip
GEMINI_BUCKETS = {
    "input_uncached": 590, "cache_read": 1500, "output_text": 70, "reasoning": 130,
}  # fmt: skip
PLAIN = {"input_uncached": 30, "output_text": 12}

ANSWERS: dict[str, tuple[object, dict[str, int]]] = {
    "openai, streamed, usage in the last chunk": (
        [{**CHUNK, "choices": [{"index": 0, "delta": {"content": "a"}}], "usage": None},
         {**CHUNK, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": None},
         {**CHUNK, "choices": [], "usage": OPENAI_USAGE}],
        OPENAI_BUCKETS,
    ),
    "openai, streamed as text": (
        "data: " + json.dumps({**CHUNK, "choices": []}) + "\n\ndata: "
        + json.dumps({**CHUNK, "choices": [], "usage": OPENAI_USAGE}) + "\n\ndata: [DONE]\n\n",
        OPENAI_BUCKETS,
    ),
    "openai responses, streamed": (
        [{"type": "response.created", "response": {"id": "resp_1", "model": "gpt-5", "usage": None,
                                                   "status": "in_progress"}},
         {"type": "response.output_text.delta", "delta": "x", "item_id": "m"},
         {"type": "response.completed", "response": {
             "id": "resp_1", "object": "response", "model": "gpt-5", "status": "completed",
             "usage": {"input_tokens": 75, "input_tokens_details": {
                           "cached_tokens": 25, "cache_write_tokens": 10},
                       "output_tokens": 1186, "output_tokens_details": {"reasoning_tokens": 1024},
                       "total_tokens": 1261}}}],
        {"input_uncached": 40, "cache_read": 25, "cache_write_5m": 10, "output_text": 162,
         "reasoning": 1024},
    ),
    "openai transcription by tokens": (
        {"text": "hello", "model": "gpt-4o-transcribe", "usage": {
            "type": "tokens", "input_tokens": 14, "output_tokens": 101, "total_tokens": 115,
            "input_token_details": {"text_tokens": 4, "audio_tokens": 10}}},
        {"input_uncached": 4, "audio_in": 10, "output_text": 101},
    ),
    "openai realtime, cached audio inside the cached tokens": (
        {"type": "response.done", "event_id": "event_1", "response": {
            "object": "realtime.response", "id": "resp_2", "model": "gpt-realtime",
            "status": "completed", "usage": {
                "total_tokens": 355, "input_tokens": 200, "output_tokens": 155,
                "input_token_details": {
                    "text_tokens": 120, "audio_tokens": 80, "cached_tokens": 112,
                    "cached_tokens_details": {"text_tokens": 64, "audio_tokens": 48}},
                "output_token_details": {"text_tokens": 35, "audio_tokens": 120}}}},
        {"input_uncached": 56, "cache_read": 112, "audio_in": 32, "output_text": 35,
         "audio_out": 120},
    ),
    "openai batch output": (
        {"status_code": 200, "request_id": "r", "body": {
            "id": "chatcmpl-1", "object": "chat.completion", "model": "gpt-4o", "choices": [],
            "usage": OPENAI_USAGE}},
        OPENAI_BUCKETS,
    ),
    "anthropic, streamed": (
        [{"type": "message_start", "message": {**MESSAGE, "usage": {
             **CLAUDE_USAGE, "output_tokens": 3}}},
         {"type": "ping"},
         {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "x"}},
         {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None},
          "usage": {"output_tokens": 393}},
         {"type": "message_stop", "amazon-bedrock-invocationMetrics": {
             "inputTokenCount": 21, "outputTokenCount": 393}}],
        CLAUDE_BUCKETS,
    ),
    "anthropic, streamed as text, final counts in the delta": (
        "event: message_start\ndata: " + json.dumps({"type": "message_start", "message": {
            **MESSAGE, "usage": {"input_tokens": 5, "cache_read_input_tokens": 0,
                                 "cache_creation_input_tokens": 0, "output_tokens": 1}}})
        + "\n\nevent: message_delta\ndata: " + json.dumps({
            "type": "message_delta", "delta": {"stop_reason": "tool_use"},
            "usage": {"input_tokens": 472, "cache_read_input_tokens": 60,
                      "cache_creation_input_tokens": 7, "output_tokens": 89}}) + "\n\n",
        {"input_uncached": 472, "cache_read": 60, "cache_write_5m": 7, "output_text": 89},
    ),
    "anthropic batch result": (
        {"type": "succeeded", "message": WHOLE_MESSAGE}, CLAUDE_BUCKETS,
    ),
    "anthropic with thinking told apart": (
        {**MESSAGE, "usage": {**CLAUDE_USAGE, "output_tokens_details": {"thinking_tokens": 300}}},
        {**CLAUDE_BUCKETS, "output_text": 93, "reasoning": 300},
    ),
    "anthropic, a compaction beside the message": (
        {**MESSAGE, "usage": {
            "input_tokens": 23_000, "output_tokens": 1000, "cache_read_input_tokens": 0,
            "cache_creation_input_tokens": 0, "iterations": [
                {"type": "compaction", "input_tokens": 180_000, "output_tokens": 3500,
                 "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0},
                {"type": "message", "input_tokens": 23_000, "output_tokens": 1000,
                 "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0}]}},
        {"input_uncached": 203_000, "output_text": 4500},
    ),
    "bedrock converse": (
        {"output": {"message": {"role": "assistant", "content": [{"text": "x"}]}},
         "stopReason": "end_turn", "metrics": {"latencyMs": 550}, "usage": {
             "inputTokens": 21, "outputTokens": 393, "totalTokens": 4602,
             "cacheReadInputTokens": 4000, "cacheWriteInputTokens": 188,
             "cacheDetails": [{"ttl": "1h", "inputTokens": 100},
                              {"ttl": "5m", "inputTokens": 88}]}},
        CLAUDE_BUCKETS,
    ),
    "bedrock converse, streamed": (
        [{"messageStart": {"role": "assistant"}},
         {"contentBlockDelta": {"delta": {"text": "x"}, "contentBlockIndex": 0}},
         {"messageStop": {"stopReason": "end_turn"}},
         {"metadata": {"usage": {"inputTokens": 30, "outputTokens": 12, "totalTokens": 42},
                       "metrics": {"latencyMs": 9}}}],
        PLAIN,
    ),
    "bedrock nova": (
        {"output": {"message": {}}, "stopReason": "end_turn", "usage": {
            "inputTokens": 20, "outputTokens": 12, "totalTokens": 42,
            "cacheReadInputTokenCount": 8, "cacheWriteInputTokenCount": 2}},
        {"input_uncached": 20, "cache_read": 8, "cache_write_5m": 2, "output_text": 12},
    ),
    "bedrock llama": (
        {"generation": "x", "prompt_token_count": 30, "generation_token_count": 12,
         "stop_reason": "stop"},
        PLAIN,
    ),
    "bedrock titan": (
        {"inputTextTokenCount": 30, "results": [
            {"tokenCount": 12, "outputText": "x", "completionReason": "FINISH"}]},
        PLAIN,
    ),
    "gemini": (
        {"candidates": [{"content": {}, "finishReason": "STOP"}], "usageMetadata": GEMINI_USAGE,
         "modelVersion": "gemini-2.5-flash", "responseId": "g-1"},
        GEMINI_BUCKETS,
    ),
    "gemini, streamed": (
        [{"candidates": [{}], "modelVersion": "gemini-2.5-flash",
          "usageMetadata": {"promptTokenCount": 2000, "totalTokenCount": 2000}},
         {"candidates": [{"finishReason": "STOP"}], "modelVersion": "gemini-2.5-flash",
          "usageMetadata": GEMINI_USAGE}],
        GEMINI_BUCKETS,
    ),
    "gemini, thoughts counted inside the candidates": (
        {"candidates": [], "modelVersion": "gemini-2.5-pro", "usageMetadata": {
            "promptTokenCount": 30, "candidatesTokenCount": 100, "thoughtsTokenCount": 88,
            "totalTokenCount": 130}},
        {"input_uncached": 30, "output_text": 12, "reasoning": 88},
    ),
    "gemini live": (
        {"usageMetadata": {
            "promptTokenCount": 500, "responseTokenCount": 112, "totalTokenCount": 612,
            "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 400},
                                    {"modality": "TEXT", "tokenCount": 100}],
            "responseTokensDetails": [{"modality": "AUDIO", "tokenCount": 100},
                                      {"modality": "TEXT", "tokenCount": 12}]}},
        {"input_uncached": 100, "audio_in": 400, "output_text": 12, "audio_out": 100},
    ),
    "gemini, images and documents": (
        {"usage_metadata": {
            "prompt_token_count": 1000, "candidates_token_count": 1302, "total_token_count": 2302,
            "prompt_tokens_details": [{"modality": "IMAGE", "token_count": 258},
                                      {"modality": "DOCUMENT", "token_count": 516},
                                      {"modality": "TEXT", "token_count": 226}],
            "candidates_tokens_details": [{"modality": "IMAGE", "token_count": 1290}]}},
        {"input_uncached": 226, "image_in": 774, "output_text": 12, "image_out": 1290},
    ),
    "gemini interactions": (
        {"id": "v1_x", "model": "gemini-3.5-flash", "status": "completed", "usage": {
            "total_input_tokens": 1000, "total_cached_tokens": 200, "total_output_tokens": 12,
            "total_thought_tokens": 88, "total_tool_use_tokens": 50, "total_tokens": 1150}},
        {"input_uncached": 850, "cache_read": 200, "output_text": 12, "reasoning": 88},
    ),
    "groq, streamed": (
        [{**CHUNK, "choices": [], "x_groq": {"id": "req_1"}},
         {**CHUNK, "choices": [{"delta": {}, "finish_reason": "stop"}],
          "x_groq": {"id": "req_1", "usage": {
              "queue_time": 0.06, "prompt_tokens": 30, "prompt_time": 0.01, "completion_tokens": 12,
              "completion_time": 0.02, "total_tokens": 42, "total_time": 0.03}}}],
        PLAIN,
    ),
    "groq, cached": (
        {"id": "c", "model": "openai/gpt-oss-120b", "usage": {
            "queue_time": 0.02, "prompt_tokens": 4641, "completion_tokens": 1817,
            "total_tokens": 6458, "prompt_tokens_details": {"cached_tokens": 4608},
            "completion_tokens_details": {"reasoning_tokens": 805}}},
        {"input_uncached": 33, "cache_read": 4608, "output_text": 1012, "reasoning": 805},
    ),
    "mistral": (
        {"id": "m", "object": "chat.completion", "model": "mistral-large-latest", "usage": {
            "prompt_tokens": 94, "total_tokens": 106, "completion_tokens": 12,
            "num_cached_tokens": 64, "prompt_token_details": {"cached_tokens": 64}}},
        {"input_uncached": 30, "cache_read": 64, "output_text": 12},
    ),
    "deepseek": (
        {"id": "d", "model": "deepseek-reasoner", "usage": {
            "prompt_tokens": 94, "completion_tokens": 112, "total_tokens": 206,
            "prompt_cache_hit_tokens": 64, "prompt_cache_miss_tokens": 30,
            "prompt_tokens_details": {"cached_tokens": 64},
            "completion_tokens_details": {"reasoning_tokens": 100}}},
        {"input_uncached": 30, "cache_read": 64, "output_text": 12, "reasoning": 100},
    ),
    "xai": (
        {"id": "x", "model": "grok-4", "usage": {
            "prompt_tokens": 94, "completion_tokens": 12, "total_tokens": 206,
            "prompt_tokens_details": {"text_tokens": 94, "audio_tokens": 0, "image_tokens": 0,
                                      "cached_tokens": 64},
            "completion_tokens_details": {"reasoning_tokens": 100, "audio_tokens": 0},
            "num_sources_used": 0, "cost_in_usd_ticks": 37756000}},
        {"input_uncached": 30, "cache_read": 64, "output_text": 12, "reasoning": 100},
    ),
    "xai, its own sdk": (
        {"id": "x", "model": "grok-4", "usage": {
            "completion_tokens": 69, "prompt_tokens": 701, "total_tokens": 893,
            "prompt_text_tokens": 701, "reasoning_tokens": 123, "cached_prompt_text_tokens": 679}},
        {"input_uncached": 22, "cache_read": 679, "output_text": 69, "reasoning": 123},
    ),
    "xai, no total": (
        {"id": "x", "model": "grok-4", "usage": {
            "prompt_tokens": 30, "completion_tokens": 120, "num_sources_used": 0,
            "completion_tokens_details": {"reasoning_tokens": 100}}},
        {"input_uncached": 30, "output_text": 120, "reasoning": 100},
    ),
    "cohere v2": (
        {"id": "c", "finish_reason": "COMPLETE", "message": {"role": "assistant", "content": []},
         "usage": {"billed_units": {"input_tokens": 30, "output_tokens": 12},
                   "tokens": {"input_tokens": 500, "output_tokens": 14}}},
        PLAIN,
    ),
    "cohere v2, streamed": (
        [{"type": "message-start", "id": "c", "delta": {"message": {"role": "assistant"}}},
         {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "x"}}}},
         {"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": {
             "billed_units": {"input_tokens": 30, "output_tokens": 12},
             "tokens": {"input_tokens": 500, "output_tokens": 14}}}}],
        PLAIN,
    ),
    "cohere v1": (
        {"response_id": "c", "text": "x", "meta": {
            "api_version": {"version": "1"}, "billed_units": {
                "input_tokens": 30, "output_tokens": 12}}},
        PLAIN,
    ),
    "cohere embeddings": (
        {"id": "e", "embeddings": [], "meta": {"billed_units": {"input_tokens": 30}}},
        {"input_uncached": 30},
    ),
    "together": (
        {"id": "t", "object": "chat.completion", "model": "meta-llama/Llama-3.3-70B", "usage": {
            "prompt_tokens": 30, "completion_tokens": 12, "total_tokens": 42, "cached_tokens": 0}},
        PLAIN,
    ),
    "fireworks": (
        {"id": "f", "model": "accounts/fireworks/models/kimi-k2", "usage": {
            "prompt_tokens": 94, "completion_tokens": 12, "total_tokens": 106,
            "prompt_tokens_details": {"cached_tokens": 64}}},
        {"input_uncached": 30, "cache_read": 64, "output_text": 12},
    ),
    "openrouter": (
        {"id": "gen-1", "provider": "Anthropic", "model": "anthropic/claude-sonnet-4.5",
         "usage": {"prompt_tokens": 194, "completion_tokens": 112, "total_tokens": 306,
                   "cost": 0.0014, "is_byok": False,
                   "prompt_tokens_details": {"cached_tokens": 64, "cache_write_tokens": 100,
                                             "audio_tokens": 0, "video_tokens": 0},
                   "cost_details": {"upstream_inference_cost": None},
                   "completion_tokens_details": {"reasoning_tokens": 100, "image_tokens": 0}}},
        {"input_uncached": 30, "cache_read": 64, "cache_write_5m": 100, "output_text": 12,
         "reasoning": 100},
    ),
    "perplexity": (
        {"id": "p", "model": "sonar", "citations": [], "usage": {
            "prompt_tokens": 30, "completion_tokens": 12, "total_tokens": 42,
            "search_context_size": "low", "cost": {"request_cost": 0.005, "total_cost": 0.00502}}},
        PLAIN,
    ),
    "perplexity deep research: reasoning beside, citations at the price of input": (
        {"id": "p", "model": "sonar-deep-research", "usage": {
            "prompt_tokens": 33, "completion_tokens": 7163, "total_tokens": 7196,
            "citation_tokens": 20016, "num_search_queries": 18, "reasoning_tokens": 73997}},
        {"input_uncached": 20049, "output_text": 7163, "reasoning": 73997},
    ),
    "cerebras": (
        {"id": "c", "model": "gpt-oss-120b", "time_info": {"queue_time": 0.1}, "usage": {
            "prompt_tokens": 30, "completion_tokens": 112, "total_tokens": 142,
            "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 100}}},
        {"input_uncached": 30, "output_text": 12, "reasoning": 100},
    ),
    "azure openai": (
        {"id": "chatcmpl-2", "model": "gpt-4o-2024-11-20", "object": "chat.completion",
         "prompt_filter_results": [{"prompt_index": 0}], "choices": [], "usage": OPENAI_USAGE},
        OPENAI_BUCKETS,
    ),
    "moonshot": (
        {"id": "k", "model": "kimi-k2", "usage": {
            "prompt_tokens": 94, "completion_tokens": 12, "total_tokens": 106,
            "cached_tokens": 64}},
        {"input_uncached": 30, "cache_read": 64, "output_text": 12},
    ),
    "dashscope": (
        {"request_id": "q", "output": {"choices": []}, "usage": {
            "input_tokens": 194, "output_tokens": 112, "total_tokens": 306,
            "output_tokens_details": {"reasoning_tokens": 100},
            "prompt_tokens_details": {"cached_tokens": 64, "cache_creation_input_tokens": 100,
                                      "cache_creation": {"ephemeral_5m_input_tokens": 100},
                                      "cache_type": "ephemeral"}}},
        {"input_uncached": 30, "cache_read": 64, "cache_write_5m": 100, "output_text": 12,
         "reasoning": 100},
    ),
    "ollama": (
        {"model": "llama3.2", "message": {"role": "assistant", "content": "x"}, "done": True,
         "done_reason": "stop", "prompt_eval_count": 30, "eval_count": 12},
        PLAIN,
    ),
    "ollama, streamed": (
        [{"model": "llama3.2", "message": {"role": "assistant", "content": "x"}, "done": False},
         {"model": "llama3.2", "message": {"role": "assistant", "content": ""}, "done": True,
          "prompt_eval_count": 30, "eval_count": 12}],
        PLAIN,
    ),
    "vllm": (
        {"id": "cmpl-1", "object": "text_completion", "model": "m", "usage": {
            "prompt_tokens": 94, "total_tokens": 106, "completion_tokens": 12,
            "prompt_tokens_details": {"cached_tokens": 64}}},
        {"input_uncached": 30, "cache_read": 64, "output_text": 12},
    ),
    "text generation inference": (
        [{"generated_text": "x", "details": {
            "finish_reason": "length", "generated_tokens": 12, "input_length": 30,
            "seed": None}}],
        PLAIN,
    ),
    "watsonx": (
        {"model_id": "ibm/granite-3-8b-instruct", "results": [
            {"generated_text": "x", "generated_token_count": 12, "input_token_count": 30,
             "stop_reason": "eos_token"}]},
        PLAIN,
    ),
    "replicate": (
        {"id": "r", "model": "meta/meta-llama-3-70b", "status": "succeeded", "metrics": {
            "input_token_count": 30, "output_token_count": 12, "predict_time": 1.2}},
        PLAIN,
    ),
    "cloudflare": (
        {"success": True, "errors": [], "result": {"response": "x", "usage": {
            "prompt_tokens": 30, "completion_tokens": 12, "total_tokens": 42}}},
        PLAIN,
    ),
    "voyage": ({"object": "list", "data": [], "model": "voyage-3", "usage": {"total_tokens": 30}},
               {"input_uncached": 30}),
    "vercel ai sdk": (
        {"text": "x", "usage": {"inputTokens": 94, "outputTokens": 112, "totalTokens": 206,
                                "reasoningTokens": 100, "cachedInputTokens": 64}},
        {"input_uncached": 30, "cache_read": 64, "output_text": 12, "reasoning": 100},
    ),
    "vercel ai sdk, older": (
        {"text": "x", "usage": {"promptTokens": 30, "completionTokens": 12, "totalTokens": 42}},
        PLAIN,
    ),
    "vercel ai sdk, newer": (
        {"text": "x", "usage": {
            "inputTokens": 194, "outputTokens": 112, "totalTokens": 306,
            "inputTokenDetails": {"noCacheTokens": 30, "cacheReadTokens": 64,
                                  "cacheWriteTokens": 100},
            "outputTokenDetails": {"textTokens": 12, "reasoningTokens": 100}}},
        {"input_uncached": 30, "cache_read": 64, "cache_write_5m": 100, "output_text": 12,
         "reasoning": 100},
    ),
    "vercel ai sdk, of a provider": (
        {"usage": {"inputTokens": {"total": 194, "noCache": 30, "cacheRead": 64, "cacheWrite": 100},
                   "outputTokens": {"total": 112, "text": 12, "reasoning": 100}}},
        {"input_uncached": 30, "cache_read": 64, "cache_write_5m": 100, "output_text": 12,
         "reasoning": 100},
    ),
    "langchain": (
        {"content": "x", "response_metadata": {"model_name": "gpt-4o"}, "usage_metadata": {
            "input_tokens": 194, "output_tokens": 112, "total_tokens": 306,
            "input_token_details": {"cache_read": 64, "cache_creation": 100, "audio": 10},
            "output_token_details": {"reasoning": 100, "audio": 2}}},
        {"input_uncached": 20, "cache_read": 64, "cache_write_5m": 100, "audio_in": 10,
         "output_text": 10, "reasoning": 100, "audio_out": 2},
    ),
    "langchain, anthropic's hour": (
        {"usage_metadata": {
            "input_tokens": 194, "output_tokens": 12, "total_tokens": 206,
            "input_token_details": {"cache_read": 64, "cache_creation": 0,
                                    "ephemeral_5m_input_tokens": 60,
                                    "ephemeral_1h_input_tokens": 40}}},
        {"input_uncached": 30, "cache_read": 64, "cache_write_5m": 60, "cache_write_1h": 40,
         "output_text": 12},
    ),
    "pydantic ai": (
        {"usage": {"input_tokens": 194, "cache_read_tokens": 64, "cache_write_tokens": 100,
                   "output_tokens": 112, "details": {"reasoning_tokens": 100}}},
        {"input_uncached": 30, "cache_read": 64, "cache_write_5m": 100, "output_text": 12,
         "reasoning": 100},
    ),
    "codex": (
        {"usage": {"input_tokens": 94, "cached_input_tokens": 64, "output_tokens": 112,
                   "reasoning_output_tokens": 100, "total_tokens": 206}},
        {"input_uncached": 30, "cache_read": 64, "output_text": 12, "reasoning": 100},
    ),
    "cursor": (
        {"tokenUsage": {"inputTokens": 30, "outputTokens": 12, "cacheWriteTokens": 6,
                        "cacheReadTokens": 4, "totalCents": 0.3}},
        {"input_uncached": 30, "cache_read": 4, "cache_write_5m": 6, "output_text": 12},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_is_read_by_its_provider_s_own_convention(name: str, tmp_path: Path) -> None:
    answer, expected = ANSWERS[name]
    [row] = read(tmp_path, [{
        "timestamp": AT, "request": {"model": "m-asked", "messages": [
            {"role": "user", "content": "?"}]}, "response": answer}])  # fmt: skip
    assert buckets(row) == expected
    assert (row["status"], row["error_kind"]) == ("ok", "")


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_alone_in_a_log_is_read_the_same(name: str, tmp_path: Path) -> None:
    answer, expected = ANSWERS[name]
    rows = [{"timestamp": AT, "model": "m", "id": "1", "response": answer},
            {"timestamp": AT, "model": "m", "id": "2", "response": json.dumps(answer)}]  # fmt: skip
    found = read(tmp_path, rows, fmt="requests")
    assert [buckets(row) for row in found] == [expected] * 2
