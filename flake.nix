{
  description = "mrsync: sends a tree of files to many machines at once over UDP multicast";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      inherit (nixpkgs) lib;
      systems = [
        "x86_64-linux"
        "aarch64-linux"
        "x86_64-darwin"
        "aarch64-darwin"
      ];
      forAll = f: lib.genAttrs systems (system: f nixpkgs.legacyPackages.${system});

      lock = lib.importJSON ./package-lock.json;

      # The lock file has each package's integrity, and no address. npm knows the address, as it is configured, so npm
      # fetches the archive; Nix compares it with the integrity, byte for byte.
      archive =
        pkgs: path: entry:
        let
          name = entry.name or (lib.last (lib.splitString "node_modules/" path));
        in
        pkgs.runCommand "${baseNameOf name}-${entry.version}.tgz"
          {
            outputHash = entry.integrity;
            outputHashMode = "flat";
            nativeBuildInputs = [ pkgs.nodejs_24 ];
            NODE_EXTRA_CA_CERTS = "${pkgs.cacert}/etc/ssl/certs/ca-bundle.crt";
            impureEnvVars = lib.fetchers.proxyImpureEnvVars ++ [ "NPM_CONFIG_REGISTRY" ];
          }
          ''
            export HOME=$TMPDIR
            npm pack --ignore-scripts ${lib.escapeShellArg "${name}@${entry.version}"}
            mv ./*.tgz "$out"
          '';
    in
    {
      packages = forAll (pkgs: {
        default = pkgs.buildNpmPackage {
          pname = "mrsync";
          version = (lib.importJSON ./package.json).version;
          src = self;
          nodejs = pkgs.nodejs_24;
          npmDeps = pkgs.importNpmLock {
            npmRoot = ./.;
            packageLock = lock;
            packageSourceOverrides = lib.mapAttrs (archive pkgs) (removeAttrs lock.packages [ "" ]);
          };
          npmConfigHook = pkgs.importNpmLock.npmConfigHook;
          # koffi brings prebuilt binaries; its install script would compile without need.
          npmFlags = [ "--ignore-scripts" ];
          meta = {
            description = "Sends a tree of files to many machines at once over UDP multicast";
            license = lib.licenses.mit;
            mainProgram = "mrsync";
          };
        };
      });

      apps = forAll (pkgs: {
        default = {
          type = "app";
          program = lib.getExe self.packages.${pkgs.stdenv.hostPlatform.system}.default;
        };
      });

      devShells = forAll (pkgs: {
        default = pkgs.mkShell {
          packages = [
            pkgs.nodejs_24
            pkgs.rsync
          ]
          ++ lib.optionals pkgs.stdenv.hostPlatform.isLinux [
            pkgs.nftables
            pkgs.ethtool
            pkgs.iproute2
          ];
        };
      });

      formatter = forAll (pkgs: pkgs.nixfmt-rfc-style);
    };
}
