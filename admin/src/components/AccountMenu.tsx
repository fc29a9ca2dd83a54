import {
  Avatar,
  Menu,
  Text,
  UnstyledButton,
  useMantineColorScheme,
  VisuallyHidden,
} from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import {
  IconApi,
  IconCheck,
  IconDeviceDesktop,
  IconKey,
  IconLogout,
  IconMoon,
  IconSelector,
  IconSun,
} from "@tabler/icons-react";
import { useMutation } from "@tanstack/react-query";
import { Link } from "react-router";
import { signOut } from "../api/client";
import { ENDS_SESSION } from "../api/queries";
import type { User } from "../api/types";
import styles from "./AccountMenu.module.css";
import { PasswordDialog } from "./PasswordDialog";

const SCHEMES = [
  { value: "auto", label: "As this device", Icon: IconDeviceDesktop },
  { value: "light", label: "Light", Icon: IconSun },
  { value: "dark", label: "Dark", Icon: IconMoon },
] as const;

export function AccountMenu({ user }: { user: User }) {
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const [changing, { open, close }] = useDisclosure();
  const leave = useMutation({ mutationFn: signOut, meta: ENDS_SESSION });

  return (
    <>
      <Menu position="top-start" width={208}>
        <Menu.Target>
          <UnstyledButton className={styles.account}>
            <VisuallyHidden>Account: </VisuallyHidden>
            <Avatar size={32} radius="md" color="pine" name={user.username} aria-hidden />
            <div className={styles.user}>
              <Text fz="sm" fw={600} truncate lh={1.3}>
                {user.username}
              </Text>
              <Text fz="xs" c="dimmed" lh={1.3} tt="capitalize">
                {user.role}
              </Text>
            </div>
            <IconSelector size={16} aria-hidden />
          </UnstyledButton>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Label>Appearance</Menu.Label>
          {SCHEMES.map(({ value, label, Icon }) => (
            <Menu.Item
              key={value}
              closeMenuOnClick={false}
              leftSection={<Icon size={16} aria-hidden />}
              rightSection={colorScheme === value && <IconCheck size={16} aria-label="chosen" />}
              onClick={() => setColorScheme(value)}
            >
              {label}
            </Menu.Item>
          ))}
          <Menu.Divider />
          <Menu.Item leftSection={<IconKey size={16} aria-hidden />} onClick={open}>
            Change password
          </Menu.Item>
          <Menu.Item component={Link} to="/users" leftSection={<IconApi size={16} aria-hidden />}>
            API tokens
          </Menu.Item>
          <Menu.Item
            leftSection={<IconLogout size={16} aria-hidden />}
            onClick={() => leave.mutate()}
          >
            Sign out
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <PasswordDialog opened={changing} onClose={close} username={user.username} />
    </>
  );
}
