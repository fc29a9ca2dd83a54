import {
  Alert,
  Badge,
  type CSSVariablesResolver,
  createTheme,
  Drawer,
  InputWrapper,
  Modal,
  Notification,
} from "@mantine/core";

const CLOSES = { closeButtonProps: { "aria-label": "Close" } };
const DIALOG = {
  defaultProps: CLOSES,
  styles: { title: { fontWeight: 650 } },
};

export const theme = createTheme({
  black: "#14201e",
  primaryColor: "pine",
  primaryShade: 8,
  defaultRadius: "md",
  cursorType: "pointer",
  respectReducedMotion: true,
  fontFamily: 'system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif',
  headings: {
    fontWeight: "650",
    sizes: {
      h1: { fontSize: "1.5rem", lineHeight: "1.25" },
      h2: { fontSize: "1.0625rem", lineHeight: "1.35" },
    },
  },
  components: {
    // On its own tint, a colour is too pale to be read.
    Alert: Alert.extend({ styles: { title: { color: "var(--mantine-color-text)" } } }),
    Badge: Badge.extend({ defaultProps: { tt: "none", fw: 600 } }),
    Drawer: Drawer.extend(DIALOG),
    Modal: Modal.extend(DIALOG),
    // What a notification says is to be read: grey is too pale for it.
    Notification: Notification.extend({
      defaultProps: CLOSES,
      styles: { description: { color: "var(--mantine-color-text)" } },
    }),
    // Almost every field is required; the browser says so where one is left empty.
    InputWrapper: InputWrapper.extend({ defaultProps: { withAsterisk: false } }),
  },
  colors: {
    pine: [
      "#eef7f6",
      "#dcebe9",
      "#b5d6d2",
      "#8bc0ba",
      "#68aea6",
      "#52a29a",
      "#439c93",
      "#348880",
      "#237169",
      "#17564f",
    ],
    // Strangers, and nothing else.
    amber: [
      "#fff7e8",
      "#feecca",
      "#fdd994",
      "#fcc55b",
      "#fab233",
      "#f09c14",
      "#d47c06",
      "#ae5c08",
      "#8a4708",
      "#6e390c",
    ],
    dark: [
      "#d5dbda",
      "#b3bbb9",
      "#929d9b",
      "#687371",
      "#3b4644",
      "#2b3533",
      "#232b2a",
      "#191f1e",
      "#111615",
      "#0b0f0e",
    ],
  },
});

/** Colours that Mantine has no name for. */
export const resolveVariables: CSSVariablesResolver = (given) => ({
  variables: {},
  light: {
    // Mantine's own is too pale on a red button under the pointer.
    "--mantine-color-red-light-color": "#a92323",
    "--mantine-color-dimmed": "#5c6866",
    "--usher-ground": "#f4f7f6",
    "--usher-well": "#e6ecea",
    "--usher-stranger-line": given.colors.amber?.[5] ?? "",
    "--usher-stranger-wash": given.colors.amber?.[0] ?? "",
    "--usher-stranger-ink": given.colors.amber?.[8] ?? "",
  },
  dark: {
    "--usher-ground": "#101413",
    "--usher-well": "#242c2b",
    "--usher-stranger-line": given.colors.amber?.[6] ?? "",
    "--usher-stranger-wash": "#2c2313",
    "--usher-stranger-ink": given.colors.amber?.[3] ?? "",
  },
});
