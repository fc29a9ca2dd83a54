import { Alert, AppShell, Burger, Group, NavLink } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import {
  type Icon,
  IconAdjustments,
  IconBell,
  IconCalendarClock,
  IconCamera,
  IconDeviceCctv,
  IconFaceId,
  IconFingerprint,
  IconHistory,
  IconKey,
  IconPhotoScan,
  IconPlugConnectedX,
  IconServer,
  IconSun,
  IconUserCog,
  IconUserQuestion,
  IconUsers,
} from "@tabler/icons-react";
import { type ReactNode, useEffect, useRef, useState } from "react";
import { Link, Outlet, useLocation, useNavigationType } from "react-router";
import { useEvents } from "../api/events";
import type { Role, User } from "../api/types";
import { useBackCloses } from "../back";
import { AccountMenu } from "./AccountMenu";
import { ConnectionStatus } from "./ConnectionStatus";
import { DetectionDrawer } from "./DetectionDrawer";
import { ErrorBoundary } from "./ErrorBoundary";
import { Logo } from "./Logo";
import { ReviewCount } from "./ReviewCount";
import styles from "./Shell.module.css";
import { TroubleCount } from "./TroubleCount";

type Section = { to: string; label: string; Icon: Icon; roles?: Role[] };

const AWAY_AFTER_MS = 6_000;
const KEEPERS: Role[] = ["admin", "manager"];
const ADMINS: Role[] = ["admin"];

/** The pages; those with roles are for them alone. */
const SECTIONS: Section[] = [
  { to: "/", label: "Today", Icon: IconSun },
  { to: "/review", label: "Review", Icon: IconUserQuestion, roles: KEEPERS },
  { to: "/people", label: "People", Icon: IconUsers },
  { to: "/detections", label: "Detections", Icon: IconPhotoScan },
  { to: "/search", label: "Search", Icon: IconFaceId, roles: KEEPERS },
  { to: "/attendance", label: "Attendance", Icon: IconCalendarClock },
  { to: "/live-camera", label: "Live camera", Icon: IconCamera, roles: KEEPERS },
  { to: "/alerts", label: "Alerts", Icon: IconBell },
  { to: "/cameras", label: "Cameras", Icon: IconDeviceCctv },
  { to: "/devices", label: "Devices", Icon: IconKey, roles: KEEPERS },
  { to: "/identity", label: "Identity", Icon: IconFingerprint },
  { to: "/settings", label: "Settings", Icon: IconAdjustments, roles: KEEPERS },
  { to: "/system", label: "System", Icon: IconServer, roles: ADMINS },
  { to: "/users", label: "Users", Icon: IconUserCog, roles: ADMINS },
  { to: "/audit", label: "Audit", Icon: IconHistory, roles: ADMINS },
];

/** What waits for somebody, beside the section where it waits. */
const COUNTS: Record<string, ReactNode> = {
  "/review": <ReviewCount />,
  "/cameras": <TroubleCount />,
};

/** What is on the screen is old by now. */
function Unreachable({ connected }: { connected: boolean }) {
  const [away, setAway] = useState(false);

  useEffect(() => {
    if (connected) return setAway(false);
    const timer = window.setTimeout(() => setAway(true), AWAY_AFTER_MS);
    return () => window.clearTimeout(timer);
  }, [connected]);

  if (!away) return null;
  return (
    <Alert color="red" mb="md" icon={<IconPlugConnectedX aria-hidden />} title="No connection">
      Usher does not answer. What you see may be old. It is asked again every few seconds.
    </Alert>
  );
}

/** What had the focus may be gone with its page: then the next page's content has it. */
function useFocusOnContent(pathname: string) {
  const content = useRef<HTMLElement>(null);
  const last = useRef(pathname);

  useEffect(() => {
    if (last.current === pathname) return;
    last.current = pathname;
    if (document.activeElement === document.body) content.current?.focus({ preventScroll: true });
  }, [pathname]);

  return content;
}

/** The frame around every page of somebody who is signed in. */
export function Shell({ user }: { user: User }) {
  const connected = useEvents();
  const { pathname } = useLocation();
  const navigation = useNavigationType();
  const content = useFocusOnContent(pathname);
  const [opened, { toggle, close }] = useDisclosure();
  useBackCloses(opened, close);
  const sections = SECTIONS.filter(({ roles }) => !roles || roles.includes(user.role));

  // biome-ignore lint/correctness/useExhaustiveDependencies: runs when the page changes
  useEffect(() => {
    close();
    if (navigation === "PUSH") window.scrollTo(0, 0);
  }, [pathname]);

  return (
    <AppShell
      header={{ height: { base: 56, sm: 0 } }}
      navbar={{ width: 224, breakpoint: "sm", collapsed: { mobile: !opened } }}
      padding={{ base: "md", sm: "xl" }}
    >
      <a className="skip-link" href="#content">
        Skip to the content
      </a>
      <AppShell.Header hiddenFrom="sm">
        <Group h="100%" px="md" justify="space-between" wrap="nowrap">
          <Group wrap="nowrap" gap="sm">
            <Burger
              opened={opened}
              onClick={toggle}
              size="sm"
              aria-label="Navigation"
              aria-expanded={opened}
            />
            <Logo />
          </Group>
          <ConnectionStatus connected={connected} />
        </Group>
      </AppShell.Header>

      <AppShell.Navbar p="sm" className={styles.navbar} data-opened={opened}>
        <Group px="xs" pt={6} pb="lg" visibleFrom="sm">
          <Logo />
        </Group>
        <AppShell.Section grow component="nav" aria-label="Main">
          {sections.map(({ to, label, Icon }) => {
            const active = to === "/" ? pathname === to : pathname.startsWith(to);
            return (
              <NavLink
                key={to}
                component={Link}
                to={to}
                label={label}
                leftSection={<Icon size={19} stroke={1.7} aria-hidden />}
                rightSection={COUNTS[to]}
                active={active}
                aria-current={active ? "page" : undefined}
                fw={active ? 600 : 500}
                className={styles.tab}
              />
            );
          })}
        </AppShell.Section>
        <Group px="xs" py="xs" visibleFrom="sm">
          <ConnectionStatus connected={connected} />
        </Group>
        <AccountMenu user={user} />
      </AppShell.Navbar>

      <AppShell.Main ref={content} id="content" tabIndex={-1} maw={1680}>
        <Unreachable connected={connected} />
        <ErrorBoundary key={pathname}>
          <Outlet />
        </ErrorBoundary>
      </AppShell.Main>
      <DetectionDrawer />
    </AppShell>
  );
}
