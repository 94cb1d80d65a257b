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

      # The lock file says what, and its integrity, but not where; Nix wants to know where as well.
      lock =
        let
          file = lib.importJSON ./package-lock.json;
          where =
            path: entry:
            let
              name = entry.name or (lib.last (lib.splitString "node_modules/" path));
              tarball = "${lib.last (lib.splitString "/" name)}-${entry.version}.tgz";
            in
            if path == "" || entry ? resolved then
              entry
            else
              entry // { resolved = "https://registry.npmjs.org/${name}/-/${tarball}"; };
        in
        file // { packages = lib.mapAttrs where file.packages; };
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
