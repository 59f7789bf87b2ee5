/**
 * What Linux has of Vulkan, which Dawn needs there: the loader, drivers, the cards themselves; and how this
 * distribution installs what lacks.
 * Invariant: reads files and the environment, runs nothing.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { userInfo } from "node:os";

export interface VulkanFacts {
  /** Path of libvulkan.so.1, where one was found. */
  readonly loader: string | undefined;
  /** Names of the drivers' descriptions, or what the environment names in their place. */
  readonly drivers: readonly string[];
  /** Who made the cards that the kernel knows. */
  readonly cards: readonly CardVendor[];
}

export type CardVendor = "nvidia" | "amd" | "intel" | "other";

export type Distribution = "debian" | "fedora" | "arch" | "suse" | "alpine" | "other";

const LOADER = "libvulkan.so.1";
/** The dynamic linker's own list, a table in front of strings that end in NUL. */
const LINKER_CACHE = "/etc/ld.so.cache";
/** Where the dynamic linker looks, of the usual distributions. */
const LIBRARY_FOLDERS = ["/lib", "/usr/lib", "/lib64", "/usr/lib64", "/usr/local/lib"];
const MULTIARCH: Readonly<Record<string, string>> = { x64: "x86_64-linux-gnu", arm64: "aarch64-linux-gnu" };
const DRIVER_FOLDERS = ["/etc/vulkan/icd.d", "/usr/local/etc/vulkan/icd.d", "/usr/local/share/vulkan/icd.d", "/usr/share/vulkan/icd.d"];
/** PCI vendors. */
const VENDORS: Readonly<Record<string, CardVendor>> = { "0x10de": "nvidia", "0x1002": "amd", "0x8086": "intel" };

/** `dawn`: the folder of Dawn's binary, where the loader is sought first. */
export function vulkanFacts(dawn: string | undefined, env: NodeJS.ProcessEnv = process.env): VulkanFacts {
  const multiarch = MULTIARCH[process.arch];
  const folders = [
    ...(dawn === undefined ? [] : [dawn]),
    dirname(process.execPath),
    ...(env["LD_LIBRARY_PATH"] ?? "").split(delimiter).filter((folder) => folder !== ""),
    ...LIBRARY_FOLDERS.flatMap((folder) => (multiarch === undefined ? [folder] : [folder, join(folder, multiarch)])),
  ];
  const named = env["VK_DRIVER_FILES"] ?? env["VK_ICD_FILENAMES"];
  const drivers =
    named === undefined
      ? DRIVER_FOLDERS.flatMap((folder) => entriesOf(folder).filter((name) => name.endsWith(".json")))
      : named.split(delimiter).filter((path) => existsSync(path));
  const loader = folders.map((folder) => join(folder, LOADER)).find((path) => existsSync(path));
  return { loader: loader ?? cachedLoader(), drivers, cards: cardVendors() };
}

/** Of this machine's architecture or another: who finds one may still not load it, but who finds none has none. */
function cachedLoader(): string | undefined {
  return /\0(\/[^\0]*\/libvulkan\.so\.1)\0/.exec(textOf(LINKER_CACHE, "latin1") ?? "")?.[1];
}

function cardVendors(): readonly CardVendor[] {
  const cards = entriesOf("/sys/class/drm")
    .filter((name) => /^(?:card|renderD)\d+$/.test(name))
    .flatMap((name) => {
      const vendor = textOf(join("/sys/class/drm", name, "device/vendor"))?.trim();
      return vendor === undefined ? [] : [VENDORS[vendor] ?? "other"];
    });
  // In containers the driver's own node may be all there is.
  if (existsSync("/dev/nvidiactl")) cards.push("nvidia");
  return [...new Set(cards)];
}

/** By /etc/os-release. */
export function distribution(release: string | undefined = textOf("/etc/os-release")): Distribution {
  const fields = [...(release ?? "").matchAll(/^(?:ID|ID_LIKE)="?([^"\n]*)"?$/gm)].flatMap((found) => (found[1] ?? "").split(" "));
  if (fields.some((id) => id === "debian" || id === "ubuntu")) return "debian";
  if (fields.some((id) => id === "fedora" || id === "rhel" || id === "centos")) return "fedora";
  if (fields.includes("arch")) return "arch";
  if (fields.some((id) => id.includes("suse"))) return "suse";
  return fields.includes("alpine") ? "alpine" : "other";
}

const INSTALL: Readonly<Record<Distribution, string | undefined>> = {
  debian: "apt-get install",
  fedora: "dnf install",
  arch: "pacman -S",
  suse: "zypper install",
  alpine: "apk add",
  other: undefined,
};

/** What a part is called where. */
const PARTS = {
  loader: { debian: "libvulkan1", fedora: "vulkan-loader", arch: "vulkan-icd-loader", suse: "libvulkan1", alpine: "vulkan-loader", other: "" },
  mesa: {
    debian: "mesa-vulkan-drivers",
    fedora: "mesa-vulkan-drivers",
    arch: "vulkan-radeon vulkan-intel",
    suse: "libvulkan_radeon libvulkan_intel",
    alpine: "mesa-vulkan-ati mesa-vulkan-intel",
    other: "",
  },
  chromium: { debian: "chromium", fedora: "chromium", arch: "chromium", suse: "chromium", alpine: "chromium", other: "" },
} as const satisfies Readonly<Record<string, Readonly<Record<Distribution, string>>>>;

/** The command that installs a part; undefined where the distribution is not known. */
export function installCommand(part: keyof typeof PARTS, on: Distribution, isRoot = userInfo().uid === 0): string | undefined {
  const install = INSTALL[on];
  return install === undefined ? undefined : `${isRoot ? "" : "sudo "}${install} ${PARTS[part][on]}`;
}

function entriesOf(folder: string): readonly string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}

function textOf(path: string, encoding: "utf8" | "latin1" = "utf8"): string | undefined {
  try {
    return readFileSync(path, encoding);
  } catch {
    return undefined;
  }
}
