import { useId, useState } from "react";
import type { Opportunity } from "../api/types";
import { milliseconds, percent, prose, usd } from "../format";
import { Link } from "../app/router";
import { Icon } from "../ui/Icon";
import { CopyButton, SaveButton } from "../ui/parts";
import { Evidence } from "./Evidence";
import { leverName, scopeText, standing } from "./levers";
import { patchText } from "./patch";

/** Ranked changes; each opens to its evidence, assumptions, patch and way back. */
export function OpportunityList({
  items,
  level: Heading = "h4",
}: {
  items: readonly Opportunity[];
  level?: "h2" | "h4";
}) {
  return (
    <ol className="opps" aria-label="Opportunities">
      {items.map((item) => (
        <OpportunityRow key={`${item.analysis_id ?? ""}${item.id}`} item={item} Heading={Heading} />
      ))}
    </ol>
  );
}

function OpportunityRow({ item, Heading }: { item: Opportunity; Heading: "h2" | "h4" }) {
  const [open, setOpen] = useState(false);
  const detailId = useId();
  const state = standing(item.status);
  const savings = item.savings_usd;
  return (
    <li className="opp">
      <Heading>
        <button
          type="button"
          className="opp-row"
          aria-expanded={open}
          aria-controls={detailId}
          onClick={() => setOpen(!open)}
        >
          <Icon name="chevron" className={open ? "icon chev open" : "icon chev"} />
          <span className="opp-title">
            <span>{prose(item.title)}</span>
            <span className="opp-sub">
              <span className={`badge ${state.tone}`}>{state.label}</span>
              <span>
                {leverName(item.lever)}, {scopeText(item.scope)}
              </span>
            </span>
          </span>
          <span className={`opp-sum ${sumTone(item)}`}>
            <strong className="num">{usd(savings.expected)}</strong>
            <span className="small num">
              {usd(savings.low)} to {usd(savings.high)}
            </span>
          </span>
        </button>
      </Heading>
      <div id={detailId} hidden={!open} className="opp-detail stack">
        {open && <Detail item={item} Heading={Heading === "h2" ? "h3" : "h5"} />}
      </div>
    </li>
  );
}

/** Only what is proven is shown in the colour of money kept. */
function sumTone(item: Opportunity): string {
  if (item.savings_usd.expected < 0) return "loss";
  return item.status === "verified" ? "" : "open";
}

function Detail({ item, Heading }: { item: Opportunity; Heading: "h3" | "h5" }) {
  const state = standing(item.status);
  const patch = patchText(item.patch);
  return (
    <>
      <p className="soft">
        {state.meaning}{" "}
        {item.analysis_id && <Link to={`/reports/${encodeURIComponent(item.analysis_id)}`}>See its report</Link>}
      </p>
      <Facts item={item} />
      <section>
        <Heading>Evidence</Heading>
        <Evidence evidence={item.evidence} />
      </section>
      {item.assumptions.length > 0 && (
        <section>
          <Heading>Assumptions</Heading>
          <ul className="bullets">
            {item.assumptions.map((text) => (
              <li key={text}>{prose(text)}</li>
            ))}
          </ul>
        </section>
      )}
      {Object.keys(item.patch).length > 0 && (
        <section>
          <div className="row between">
            <Heading>Patch</Heading>
            <span className="row">
              <CopyButton text={patch} label="Copy the patch" />
              <SaveButton text={patch} name={`${fileName(item.id)}.${patch.startsWith("{") ? "json" : "yaml"}`} />
            </span>
          </div>
          <pre className="patch" tabIndex={0}>
            {patch}
          </pre>
        </section>
      )}
      {item.rollback && (
        <section>
          <Heading>Way back</Heading>
          <p>{prose(item.rollback)}</p>
        </section>
      )}
    </>
  );
}

function fileName(id: string): string {
  return id.replace(/[^A-Za-z0-9]+/g, "-").replace(/^-|-$/g, "");
}

function Facts({ item }: { item: Opportunity }) {
  const { latency, quality } = item;
  const facts: [string, string][] = [["Share of spend", percent(item.savings_pct)]];
  facts.push([
    "A month",
    item.monthly_savings_usd === null ? "too few days to say" : usd(item.monthly_savings_usd),
  ]);
  if (latency.p50_before !== null && latency.p50_after !== null) {
    facts.push(["Median latency", `${milliseconds(latency.p50_before)} → ${milliseconds(latency.p50_after)}`]);
  }
  facts.push(["Quality", qualityText(quality)]);
  if (item.effort) facts.push(["Effort", item.effort]);
  if (item.risk) facts.push(["Risk", item.risk]);
  return (
    <dl className="facts">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{prose(value)}</dd>
        </div>
      ))}
    </dl>
  );
}

function qualityText(quality: Opportunity["quality"]): string {
  if (quality.delta === 0 && !quality.bound) return "unchanged";
  if (quality.delta === null) return quality.verified ? "unchanged by construction" : "not measured";
  const bound = quality.bound === null ? "" : `, at worst ${signed(quality.bound)}`;
  return `${signed(quality.delta)}${bound}${quality.verified ? "" : ", not proven"}`;
}

function signed(value: number): string {
  return `${value > 0 ? "+" : value < 0 ? "\u2212" : "±"}${Math.abs(value).toFixed(3)}`;
}
