import { call } from "../api/http";
import type { ApiKey, Me, Member, NewApiKey, Page, Removal, Retention, Workspace } from "../api/types";

const id = encodeURIComponent;
const KEEP_DAYS = "/api/config/keys/usage.keep_days?scope=workspace";

/** Every call that the settings make, by name. */
export const api = {
  keys: () => call<Page<ApiKey>>("/auth/api-keys"),
  createKey: (name: string, days: number) =>
    call<NewApiKey>("/auth/api-keys", {
      method: "POST",
      body: { name, scopes: ["usage:write"], expires_in: days * 86_400 },
    }),
  revokeKey: (keyId: string) => call<null>(`/auth/api-keys/${id(keyId)}`, { method: "DELETE" }),

  retention: () => call<Retention>("/api/usage/retention"),
  keepDays: (days: number) => call<unknown>(KEEP_DAYS, { method: "PUT", body: { value: days } }),
  keepForEver: () => call<unknown>(KEEP_DAYS, { method: "DELETE" }),

  erase: (chosen: Record<string, string> | { everything: true }) =>
    call<Removal>("/api/usage/erase", { method: "POST", body: chosen }),
  removals: () => call<Page<Removal>>("/api/usage/removals?limit=200"),

  me: () => call<Me>("/auth/me"),
  /** My workspaces, each with everybody in it. */
  places: async (): Promise<Place[]> => {
    const { items } = await call<Page<Workspace>>("/auth/workspaces");
    return await Promise.all(
      items.map(async (workspace) => ({
        workspace,
        members: (await call<Page<Member>>(`/auth/workspaces/${id(workspace.id)}/members`)).items,
      })),
    );
  },
  eraseWorkspace: (workspaceId: string) =>
    call<null>(`/auth/workspaces/${id(workspaceId)}`, { method: "DELETE" }),
  eraseMe: (password: string | null) =>
    call<null>("/auth/me/erase", { method: "POST", body: { password }, renew: false }),
};

export interface Place {
  workspace: Workspace;
  members: Member[];
}
